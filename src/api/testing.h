// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/rule_judge.h"
#include "api/api_context.h"
#include "base/executor.h"
#include "base/text.h"
#include "model/span_batch_builder.h"
#include "net/http_router.h"
#include "storage/memory/memory_store.h"

// For tests only: a router over a memory store, called without a network.

namespace khtrace::api {

inline constexpr uint64_t kSecond = 1'000'000'000;
// 2026-01-01T00:00:00Z. The fixture's clock stands ten minutes later.
inline constexpr uint64_t kTestEpoch = 1'767'225'600 * kSecond;

struct TestSpan {
  std::string_view service = "shop";
  model::TraceId trace{0x0af7651916cd43dd, 0x8448eb211c80319c};
  uint64_t id = 1;
  uint64_t parent = 0;
  std::string_view name = "GET /";
  model::SpanKind kind = model::SpanKind::kServer;
  model::StatusCode status = model::StatusCode::kUnset;
  uint64_t start = kTestEpoch;
  uint64_t duration = 5'000'000;
  std::vector<std::pair<std::string_view, model::AttrValue>> attributes{};
  std::vector<std::pair<std::string_view, model::AttrValue>> resource{};
  // Attributes of one event named "log"; no event without.
  std::vector<std::pair<std::string_view, model::AttrValue>> event{};
};

inline model::SpanBatch BatchOf(const std::vector<TestSpan>& spans) {
  model::SpanBatchBuilder builder;
  for (const TestSpan& span : spans) {
    builder.AddResource();
    if (!span.service.empty()) {
      builder.AddResourceAttribute("service.name",
                                   model::AttrValue::String(span.service));
    }
    for (const auto& [key, value] : span.resource) {
      builder.AddResourceAttribute(key, value);
    }
    builder.AddScope("", "");
    model::SpanBatchBuilder::SpanFields fields;
    fields.trace_id = span.trace;
    fields.span_id = {span.id};
    fields.parent_span_id = {span.parent};
    fields.start = {span.start};
    fields.end = {span.start + span.duration};
    fields.name = span.name;
    fields.kind = span.kind;
    fields.status = span.status;
    builder.AddSpan(fields);
    for (const auto& [key, value] : span.attributes) {
      builder.AddSpanAttribute(key, value);
    }
    if (!span.event.empty()) builder.AddEvent({span.start}, "log");
    for (const auto& [key, value] : span.event) {
      builder.AddEventAttribute(key, value);
    }
  }
  return builder.Build();
}

class ApiFixture : public testing::Test {
 protected:
  void Store(const std::vector<TestSpan>& spans,
             const std::string& tenant = kDefaultTenant) {
    RequestContext context;
    context.tenant = tenant;
    store_.Write(context, std::make_shared<model::SpanBatch>(BatchOf(spans)),
                 [](Status status) { ASSERT_TRUE(status); });
  }

  net::HttpResponse Send(std::string_view method, std::string_view target,
                         net::HttpHeaders headers = {}, std::string body = {}) {
    net::HttpRequest request;
    request.method = method;
    request.target = target;
    request.path = PercentDecode(request.raw_path(), false);
    const size_t question = target.find('?');
    if (question != std::string_view::npos) {
      request.query = net::QueryParams::Parse(target.substr(question + 1));
    }
    request.headers = std::move(headers);
    request.body = std::move(body);
    std::optional<net::HttpResponse> answer;
    router_.Handle(std::move(request), [&answer](net::HttpResponse response) {
      answer = std::move(response);
    });
    EXPECT_TRUE(answer.has_value()) << target;
    return answer.value_or(net::HttpResponse{.status = 0});
  }
  net::HttpResponse Get(std::string_view target,
                        net::HttpHeaders headers = {}) {
    return Send("GET", target, std::move(headers));
  }

  storage::memory::MemoryStore store_;
  InlineExecutor cpu_;
  const analysis::RuleJudge judge_{analysis::AnalysisOptions::Defaults()};
  FakeClock clock_{UnixNanos{kTestEpoch + 600 * kSecond}};
  ApiContext api_{.reader = store_,
                  .cpu = cpu_,
                  .clock = clock_,
                  .build = {.version = "1.2.3",
                            .revision = "abc",
                            .branch = "main",
                            .build_user = "ci",
                            .build_date = "2026-01-01T00:00:00Z"},
                  .judge = &judge_};
  net::HttpRouter router_;
};

}  // namespace khtrace::api
