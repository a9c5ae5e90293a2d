// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <simdjson.h>

#include <string>
#include <string_view>
#include <vector>

#include "analysis/analyzer.h"
#include "api/testing.h"
#include "api/tracing.h"
#include "telemetry/health.h"

// For tests only: /api/tracing over a memory store with a shop in it.

namespace khtrace::api {

class TracingFixture : public ApiFixture {
 protected:
  TracingFixture() {
    router_ = net::HttpRouter(TracingRouterOptions());
    health_.SetOk("storage");
    TracingDeployment deployment;
    deployment.storage_engine = "memory";
    deployment.endpoints = {{"OTLP/gRPC", "127.0.0.1:4317"}};
    deployment.figures = [] {
      return ServerFigures{{{"otlp", "grpc", 7, 1, 2}}, 6, 1};
    };
    RegisterTracing(router_, api_, analyzer_, health_, std::move(deployment));
  }

  // `traces` checkouts over the last ten minutes: the server span is slower
  // than its target, since the query below it is; each tenth fails there.
  void StoreShop(int traces = 60) {
    std::vector<TestSpan> spans;
    for (int i = 0; i < traces; ++i) {
      const uint64_t start =
          kTestEpoch + static_cast<uint64_t>(i) * 9 * kSecond;
      const model::TraceId trace{0xabc, static_cast<uint64_t>(i) + 1};
      const bool fails = i % 10 == 9;
      const uint64_t ms = 1'000'000;
      TestSpan root{.trace = trace,
                    .name = "POST /checkout",
                    .start = start,
                    .duration = (300 + static_cast<uint64_t>(i)) * ms};
      root.status =
          fails ? model::StatusCode::kError : model::StatusCode::kUnset;
      TestSpan query{.service = "stock",
                     .trace = trace,
                     .id = 2,
                     .parent = 1,
                     .name = "SELECT items/all",
                     .kind = model::SpanKind::kClient,
                     .start = start + 10 * ms,
                     .duration = 280 * ms};
      query.attributes = {
          {"db.system.name", model::AttrValue::String("postgresql")}};
      if (fails) {
        query.status = model::StatusCode::kError;
        query.attributes.emplace_back("error.type",
                                      model::AttrValue::String("TimeoutError"));
      }
      spans.push_back(root);
      spans.push_back(query);
    }
    Store(spans);
  }

  // The answer as JSON; valid until the next call.
  simdjson::dom::element Json(const net::HttpResponse& response) {
    simdjson::dom::element root;
    const auto error = parser_.parse(response.body).get(root);
    EXPECT_EQ(error, simdjson::SUCCESS) << response.body;
    return root;
  }
  simdjson::dom::element GetJson(std::string_view target) {
    const net::HttpResponse response = Get(target);
    EXPECT_EQ(response.status, 200) << target << "\n" << response.body;
    return Json(response);
  }
  static std::string Text(simdjson::dom::element element, const char* key) {
    std::string_view text;
    EXPECT_EQ(element[key].get(text), simdjson::SUCCESS) << key;
    return std::string(text);
  }
  static double Number(simdjson::dom::element element, const char* key) {
    double number = -1;
    EXPECT_EQ(element[key].get(number), simdjson::SUCCESS) << key;
    return number;
  }
  static size_t Size(simdjson::dom::element element, const char* key) {
    simdjson::dom::array array;
    EXPECT_EQ(element[key].get(array), simdjson::SUCCESS) << key;
    return array.size();
  }
  static simdjson::dom::element At(simdjson::dom::element element,
                                   const char* key, size_t index) {
    simdjson::dom::element found;
    EXPECT_EQ(element[key].at(index).get(found), simdjson::SUCCESS)
        << key << " " << index;
    return found;
  }

  telemetry::Health health_;
  analysis::Analyzer analyzer_{store_, clock_,
                               analysis::AnalysisOptions::Defaults(), nullptr};
  simdjson::dom::parser parser_;
};

}  // namespace khtrace::api
