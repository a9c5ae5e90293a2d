// SPDX-License-Identifier: Apache-2.0
// Random queries over random spans, however a store holds them, have the
// answers of the reference evaluation. KHTRACE_DIFFERENTIAL_SEEDS raises the
// number of seeds for a long run, KHTRACE_DIFFERENTIAL_FIRST is where it
// begins.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "model/span_batch_builder.h"
#include "query/metrics.h"
#include "query/reference/random_query.h"
#include "query/reference/reference.h"
#include "query/search.h"
#include "store_under_test.h"
#include "traceql/printer.h"

namespace khtrace::conformance {
namespace {

using model::SpanBatchPtr;
using query::MetricsRequest;
using query::MetricsResult;
using query::SearchRequest;
using query::SearchResult;
using query::reference::ByteSource;

constexpr int kQueriesAStore = 12;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::vector<uint8_t> RandomBytes(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> bytes(12'000);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

class Differential {
 public:
  Differential(const Backend& backend, uint64_t seed, Executor& helpers)
      : data_(RandomBytes(seed)),
        bytes_(data_),
        helpers_(helpers),
        tested_(backend.make()),
        traces_(query::reference::RandomStore(bytes_)) {}

  void Run() {
    Fill();
    for (int i = 0; i < kQueriesAStore; ++i) {
      CompareSearch();
      CompareMetrics();
    }
  }

 private:
  // Traces whole or span by span; flushes and repeats in between.
  void Fill() {
    const bool by_span = bytes_.OneIn(2);
    for (const SpanBatchPtr& trace : traces_) {
      if (!by_span) {
        Write(trace);
        continue;
      }
      for (model::RowIndex row = 0; row < trace->row_count(); ++row) {
        const model::RowRef ref{trace.get(), row};
        Write(std::make_shared<const model::SpanBatch>(
            model::Gather(std::span(&ref, 1))));
      }
    }
  }
  void Write(const SpanBatchPtr& batch) {
    for (uint32_t times = bytes_.OneIn(8) ? 2 : 1; times > 0; --times) {
      ASSERT_TRUE(WriteNow(tested_->store(), batch).has_value());
      if (bytes_.OneIn(4)) tested_->Flush();
    }
  }

  void CompareSearch() {
    const traceql::Query query = query::reference::RandomSearchQuery(bytes_);
    SearchRequest request = query::reference::RandomSearchRequest(bytes_);
    request.query = &query;
    request.helpers = &helpers_;
    const auto expected = query::reference::Search(traces_, request);
    const auto actual = query::Search(tested_->store(), {}, request);
    SCOPED_TRACE(traceql::Print(query));
    // The execution may look at more traces than it shows, and fail for it.
    SearchRequest everything;
    everything.query = &query;
    everything.limit = traces_.size();
    everything.judge = request.judge;
    const auto all = query::reference::Search(traces_, everything);
    Compare(expected, actual, all.has_value());
    if (actual) CompareTold(request, *actual);
    if (all) ComparePages(request);
  }

  // What is told while it runs are the first traces of the answer, each once.
  void CompareTold(SearchRequest request, const SearchResult& answer) {
    SearchResult told;
    query::SearchProgress progress;
    progress.every = {};
    progress.tell = [&](std::span<const query::TraceHit> found,
                        const query::QueryStats& stats) -> size_t {
      EXPECT_LE(stats.units_done, stats.units);
      const size_t taken = found.size() - found.size() / 3;
      told.traces.insert(told.traces.end(), found.begin(),
                         found.begin() + static_cast<ptrdiff_t>(taken));
      return taken;
    };
    request.progress = &progress;
    auto rest = query::Search(tested_->store(), {}, request);
    ASSERT_TRUE(rest) << rest.error().message;
    EXPECT_EQ(query::reference::Difference(answer, *rest), "");
    ASSERT_LE(told.traces.size(), rest->traces.size());
    rest->traces.resize(told.traces.size());
    rest->total_traces.reset();
    rest->total_spans.reset();
    rest->next.clear();
    EXPECT_EQ(query::reference::Difference(*rest, told), "");
  }

  // Samples that were told once are in the answer, perhaps with other values.
  void CompareTold(MetricsRequest request, const MetricsResult& answer) {
    std::vector<query::Series> told;
    query::MetricsProgress progress;
    progress.every = {};
    progress.tell = [&](const MetricsResult& so_far) { told = so_far.series; };
    request.cache = nullptr;
    request.progress = &progress;
    const auto after = query::RunMetrics(tested_->store(), {}, request);
    ASSERT_TRUE(after) << after.error().message;
    EXPECT_EQ(query::reference::Difference(answer, *after), "");
    // Which series an answer with too many of them has, the last ones decide.
    if (after->partial) return;
    for (const query::Series& series : told) {
      const auto known = std::find_if(
          after->series.begin(), after->series.end(),
          [&](const query::Series& s) { return s.labels == series.labels; });
      ASSERT_NE(known, after->series.end());
      for (size_t i = 0; i < series.values.size(); ++i) {
        EXPECT_TRUE(std::isnan(series.values[i]) ||
                    !std::isnan(known->values[i]));
      }
    }
  }

  // Page by page each trace comes once, as in one answer.
  void ComparePages(SearchRequest request) {
    request.totals = false;
    const size_t page_size = std::min<size_t>(request.limit, 2);
    request.limit = traces_.size() + 1;
    const auto expected = query::reference::Search(traces_, request);
    request.limit = page_size;
    SearchResult together;
    for (size_t page = 0; page <= traces_.size(); ++page) {
      auto actual = query::Search(tested_->store(), {}, request);
      ASSERT_TRUE(actual) << actual.error().message;
      std::move(actual->traces.begin(), actual->traces.end(),
                std::back_inserter(together.traces));
      request.after = actual->next;
      if (request.after.empty()) break;
    }
    EXPECT_EQ(request.after, "");
    ASSERT_TRUE(expected);
    EXPECT_EQ(query::reference::Difference(*expected, together), "");
  }

  void CompareMetrics() {
    const traceql::Query query = query::reference::RandomMetricsQuery(bytes_);
    MetricsRequest request = query::reference::RandomMetricsRequest(bytes_);
    request.query = &query;
    request.helpers = &helpers_;
    const auto expected = query::reference::RunMetrics(traces_, request);
    const auto actual = query::RunMetrics(tested_->store(), {}, request);
    // Once to fill the cache, once out of it.
    request.cache = &cache_;
    const auto filling = query::RunMetrics(tested_->store(), {}, request);
    const auto cached = query::RunMetrics(tested_->store(), {}, request);
    SCOPED_TRACE(traceql::Print(query));
    MetricsRequest everything = request;
    everything.cache = nullptr;
    everything.start = {query::reference::kRandomStoreStart.ns -
                        60'000'000'000};
    everything.end = {everything.start.ns + 200'000'000'000};
    const auto all = query::reference::RunMetrics(traces_, everything);
    Compare(expected, actual, all.has_value());
    Compare(expected, filling, all.has_value());
    Compare(expected, cached, all.has_value());
    if (actual) CompareTold(request, *actual);
  }

  template <typename R>
  void Compare(const Result<R>& expected, const Result<R>& actual,
               bool must_answer) {
    if (!actual) {
      EXPECT_FALSE(must_answer) << actual.error().message;
      return;
    }
    if (!expected) {
      // What only fails on some spans does not where an index rules them out.
      const std::string& message = expected.error().message;
      EXPECT_TRUE(message.starts_with("division by zero") ||
                  message.starts_with("spanset operators are not supported "
                                      "for multiple spansets per trace"))
          << message;
      EXPECT_TRUE(tested_->store().capabilities().survives_restart);
      return;
    }
    EXPECT_EQ(query::reference::Difference(*expected, *actual), "");
  }

  const std::vector<uint8_t> data_;
  ByteSource bytes_;
  Executor& helpers_;
  std::unique_ptr<StoreUnderTest> tested_;
  query::MetricsCache cache_;
  const std::vector<SpanBatchPtr> traces_;
};

class TraceQlDifferential : public ::testing::TestWithParam<size_t> {};

TEST_P(TraceQlDifferential, AgreesWithTheReference) {
  ThreadPool helpers("query", 2);
  const uint64_t first = FromEnvironment("KHTRACE_DIFFERENTIAL_FIRST", 0);
  const uint64_t count = FromEnvironment("KHTRACE_DIFFERENTIAL_SEEDS", 60);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Differential(AllBackends()[GetParam()], seed, helpers).Run();
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, TraceQlDifferential,
                         ::testing::Range(size_t{0}, AllBackends().size()),
                         [](const ::testing::TestParamInfo<size_t>& backend) {
                           return AllBackends()[backend.param].name;
                         });

}  // namespace
}  // namespace khtrace::conformance
