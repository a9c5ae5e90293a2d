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
  void WriteAndFlush(model::SpanBatchPtr batch) {
    ASSERT_TRUE(WriteNow(store(), std::move(batch)).has_value());
    under_test_->Flush();
  }
  size_t Found(std::string_view text) {
    const traceql::Query query = Parsed(text);
    query::SearchRequest request;
    request.query = &query;
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
