// SPDX-License-Identifier: Apache-2.0
// Runs tests/traceql/semantics/ through the real execution, over every backend
// and every way in which a store may hold the spans.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/executor.h"
#include "model/span_batch_builder.h"
#include "query/metrics.h"
#include "query/reference/random_query.h"
#include "query/reference/reference.h"
#include "query/reference/testing.h"
#include "query/search.h"
#include "store_under_test.h"
#include "traceql/checker.h"
#include "traceql/parser.h"

namespace khtrace::conformance {
namespace {

using query::reference::TraceList;

// How the spans get into the store.
enum class Layout { kAtOnce, kFlushed, kSpanBySpan };

// A store with the traces of the case at hand.
class Stores {
 public:
  Stores(const Backend& backend, Layout layout)
      : backend_(backend), layout_(layout) {}

  storage::TraceStore& With(TraceList traces) {
    const std::vector<model::SpanBatchPtr> wanted(traces.begin(), traces.end());
    if (under_test_ == nullptr || wanted != traces_) {
      traces_ = wanted;
      under_test_ = backend_.make();
      Fill();
    }
    return under_test_->store();
  }

 private:
  void Write(model::SpanBatchPtr batch) {
    ASSERT_TRUE(WriteNow(under_test_->store(), std::move(batch)).has_value());
  }
  void Fill() {
    size_t written = 0;
    for (const model::SpanBatchPtr& trace : traces_) {
      if (layout_ != Layout::kSpanBySpan) {
        Write(trace);
        continue;
      }
      // Every trace over several parts and the head.
      for (model::RowIndex row = 0; row < trace->row_count(); ++row) {
        const model::RowRef ref{trace.get(), row};
        Write(std::make_shared<const model::SpanBatch>(
            model::Gather(std::span(&ref, 1))));
        if (++written % 3 == 0) under_test_->Flush();
      }
    }
    if (layout_ == Layout::kFlushed) under_test_->Flush();
  }

  const Backend backend_;
  const Layout layout_;
  std::unique_ptr<StoreUnderTest> under_test_;
  std::vector<model::SpanBatchPtr> traces_;
};

class TraceQlOverStores
    : public ::testing::TestWithParam<std::tuple<size_t, Layout>> {};

TEST_P(TraceQlOverStores, DoesWhatTheCasesSay) {
  const auto [backend, layout] = GetParam();
  Stores stores(AllBackends()[backend], layout);
  ThreadPool helpers("query", 2);
  const query::reference::Engine engine = {
      [&](TraceList traces, const query::SearchRequest& request) {
        query::SearchRequest own = request;
        own.helpers = &helpers;
        return query::Search(stores.With(traces), {}, own);
      },
      [&](TraceList traces, const query::MetricsRequest& request) {
        query::MetricsRequest own = request;
        own.helpers = &helpers;
        return query::RunMetrics(stores.With(traces), {}, own);
      }};
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(
           KHTRACE_SOURCE_DIR "/tests/traceql/semantics")) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) {
    for (const std::string& failure :
         query::reference::RunSemantics(path.string(), engine).failures) {
      ADD_FAILURE() << failure;
    }
  }
}

traceql::Query Parsed(std::string_view text) {
  auto query = traceql::ParseQuery(text);
  KHTRACE_CHECK(query.has_value());
  KHTRACE_CHECK(traceql::CheckQuery(*query).has_value());
  return *std::move(query);
}

class TraceQlOverBackends : public ::testing::TestWithParam<size_t> {
 protected:
  storage::TraceStore& store() { return under_test_->store(); }
  StoreUnderTest* under_test() { return under_test_.get(); }
  void WriteAndFlush(model::SpanBatchPtr batch) {
    ASSERT_TRUE(WriteNow(store(), std::move(batch)).has_value());
    under_test_->Flush();
  }
  size_t Found(std::string_view text, UnixNanos start = {},
               UnixNanos end = UnixNanos::Max()) {
    const traceql::Query query = Parsed(text);
    query::SearchRequest request;
    request.query = &query;
    request.start = start;
    request.end = end;
    const auto result = query::Search(store(), {}, request);
    return result ? result->traces.size() : SIZE_MAX;
  }

 private:
  const std::unique_ptr<StoreUnderTest> under_test_ =
      AllBackends()[GetParam()].make();
};

// A broken clock's span must not hide its neighbours from the zone maps.
TEST_P(TraceQlOverBackends, SpanOfCenturiesHidesNothing) {
  model::SpanBatchBuilder builder;
  builder.AddResource();
  builder.AddScope("suite", "1");
  for (const uint64_t id : {1, 2}) {
    model::SpanBatchBuilder::SpanFields fields;
    fields.trace_id = {7, id};
    fields.span_id = {id};
    fields.start = id == 1 ? UnixNanos{1} : AtMillis(0);
    fields.end = id == 1 ? UnixNanos{UINT64_MAX} : AtMillis(5000);
    fields.name = "op";
    builder.AddSpan(fields);
  }
  WriteAndFlush(std::make_shared<const model::SpanBatch>(builder.Build()));
  EXPECT_EQ(Found("{ duration > 1s && duration < 10s }"), 1u);
}

// It is there at its start, at least.
TEST_P(TraceQlOverBackends, SpanThatEndsBeforeItStartsIsFound) {
  model::SpanBatchBuilder builder;
  builder.AddResource();
  builder.AddScope("suite", "1");
  model::SpanBatchBuilder::SpanFields fields;
  fields.trace_id = {7, 1};
  fields.span_id = {1};
  fields.start = AtMillis(100);
  fields.end = AtMillis(40);
  fields.name = "op";
  builder.AddSpan(fields);
  WriteAndFlush(std::make_shared<const model::SpanBatch>(builder.Build()));
  EXPECT_EQ(Found("{ }", AtMillis(100), AtMillis(200)), 1u);
  EXPECT_EQ(Found("{ }", AtMillis(50), AtMillis(150)), 1u);
  EXPECT_EQ(Found("{ }", AtMillis(101), AtMillis(200)), 0u);
}

// A trace of five spans with texts that nobody else has, an event and a link.
model::SpanBatchPtr TraceOfUser(uint64_t trace) {
  model::SpanBatchBuilder builder;
  builder.AddResource();
  builder.AddResourceAttribute(
      "service.name", model::AttrValue::String(trace % 2 == 0 ? "a" : "b"));
  builder.AddScope("suite", "1");
  for (uint64_t id = 1; id <= 5; ++id) {
    model::SpanBatchBuilder::SpanFields fields;
    fields.trace_id = {7, trace};
    fields.span_id = {trace * 10 + id};
    fields.parent_span_id = {id == 1 ? 0 : trace * 10 + id / 2};
    fields.start = AtMillis(trace * 10 + id);
    fields.end = AtMillis(trace * 10 + id + trace % 7);
    fields.name = id == 1 ? "root" : "child";
    fields.status =
        id == 4 ? model::StatusCode::kError : model::StatusCode::kUnset;
    builder.AddSpan(fields);
    const std::string user = "u-" + std::to_string(trace * 10 + id);
    const std::string words = "only " + std::string(id, 'x') + user + " here";
    builder.AddSpanAttribute("user.id", model::AttrValue::String(user));
    if (id != 3) {
      builder.AddSpanAttribute("words", model::AttrValue::String(words));
    }
    if (id % 2 == 0) builder.AddEvent(fields.start, "event of " + user);
    if (id == 5) builder.AddLink({7, trace + 1}, {id});
  }
  return std::make_shared<const model::SpanBatch>(builder.Build());
}

// Few traces of many spans that lie together, found by a text.
TEST_P(TraceQlOverBackends, NeedlesAreFoundInManySpans) {
  std::vector<model::SpanBatchPtr> traces;
  for (uint64_t trace = 1; trace <= 2'400; ++trace) {
    traces.push_back(TraceOfUser(trace));
    ASSERT_TRUE(WriteNow(store(), traces.back()).has_value());
  }
  under_test()->Flush();
  for (const char* text :
       {"{ span.user.id = \"u-7771\" }", "{ .user.id = \"u-7772\" }",
        "{ span.user.id = \"u-10\" }", "{ span.user.id = \"u-07772\" }",
        "{ span.words = \"only xxu-7772 here\" && status = unset }",
        "{ span.words = \"only xxxu-7773 here\" }",
        "{ span.user.id = \"u-7771\" } >> { status = error } | "
        "select(event:name, link:spanID, nestedSetLeft, span.words, "
        "rootServiceName, span:selfDuration)",
        "{ span.user.id = \"u-7771\" || span.user.id = \"u-9994\" } | "
        "by(name) | select(span.user.id)",
        "{ !(span.user.id = \"u-7771\") && trace:id = \"7000000000000030"
        "9\" }",
        "{ name = \"root\" && span.user.id != \"u-11\" } "
        "with(order_by=\"duration\")"}) {
    const traceql::Query query = Parsed(text);
    query::SearchRequest request;
    request.query = &query;
    request.limit = 5;
    const auto expected = query::reference::Search(traces, request);
    const auto found = query::Search(store(), {}, request);
    ASSERT_TRUE(expected && found) << text;
    EXPECT_EQ(query::reference::Difference(*expected, *found), "") << text;
  }
}

// What compare() counts depends on keys that come later.
TEST_P(TraceQlOverBackends, CacheKnowsOfNewKeys) {
  const auto write = [&](uint64_t trace, std::string_view key) {
    model::SpanBatchBuilder builder;
    builder.AddResource();
    builder.AddScope("suite", "1");
    model::SpanBatchBuilder::SpanFields fields;
    fields.trace_id = {7, trace};
    fields.span_id = {trace};
    fields.start = AtMillis(trace);
    fields.end = AtMillis(trace + 1);
    builder.AddSpan(fields);
    builder.AddSpanAttribute(key, model::AttrValue::Int(1));
    WriteAndFlush(std::make_shared<const model::SpanBatch>(builder.Build()));
  };
  const traceql::Query query = Parsed("{ } | compare({ status = error })");
  query::MetricsCache cache;
  const auto labels = [&](query::MetricsCache* used) {
    query::MetricsRequest request;
    request.query = &query;
    request.start = kBase;
    request.end = AtMillis(60'000);
    request.cache = used;
    std::string text;
    const auto result = query::RunMetrics(store(), {}, request);
    if (!result) return result.error().message;
    for (const query::Series& series : result->series) {
      for (const query::Label& label : series.labels) {
        text += label.key + "=" + traceql::ToString(label.value) + " ";
      }
      text += "\n";
    }
    return text;
  };
  write(1, "middle");
  EXPECT_EQ(labels(&cache), labels(nullptr));
  write(2, "aaa");
  EXPECT_EQ(labels(&cache), labels(nullptr));
}

INSTANTIATE_TEST_SUITE_P(Backends, TraceQlOverBackends,
                         ::testing::Range(size_t{0}, AllBackends().size()),
                         [](const ::testing::TestParamInfo<size_t>& param) {
                           return AllBackends()[param.param].name;
                         });

std::string NameOf(
    const ::testing::TestParamInfo<TraceQlOverStores::ParamType>& param) {
  constexpr const char* kLayouts[] = {"AtOnce", "Flushed", "SpanBySpan"};
  return AllBackends()[std::get<0>(param.param)].name +
         kLayouts[static_cast<size_t>(std::get<1>(param.param))];
}

// AllBackends' order: memory, columnar, columnar that merges.
INSTANTIATE_TEST_SUITE_P(
    Backends, TraceQlOverStores,
    ::testing::Values(std::tuple(size_t{0}, Layout::kAtOnce),
                      std::tuple(size_t{1}, Layout::kAtOnce),
                      std::tuple(size_t{1}, Layout::kFlushed),
                      std::tuple(size_t{1}, Layout::kSpanBySpan),
                      std::tuple(size_t{2}, Layout::kSpanBySpan)),
    NameOf);

}  // namespace
}  // namespace khtrace::conformance
