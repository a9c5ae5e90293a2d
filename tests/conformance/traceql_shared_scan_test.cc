// SPDX-License-Identifier: Apache-2.0
// What alert rules share, over every backend: slices of moving windows.
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <vector>

#include "alerting/shared_scan.h"
#include "query/metrics.h"
#include "query/reference/random_query.h"
#include "query/reference/test_judge.h"
#include "store_under_test.h"
#include "traceql/printer.h"

namespace khtrace::conformance {
namespace {

using query::MetricsRequest;
using query::reference::ByteSource;
using std::chrono::seconds;

std::vector<uint8_t> RandomBytes(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> bytes(6000);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

void Write(storage::TraceStore& store, ByteSource& source) {
  for (const auto& trace : query::reference::RandomStore(source)) {
    ASSERT_TRUE(WriteNow(store, trace));
  }
}

MetricsRequest WindowOf(int round, const traceql::Query& query) {
  MetricsRequest request;
  request.query = &query;
  request.instant = true;
  request.end =
      query::reference::kRandomStoreStart.Plus(seconds(40 + 5 * round));
  request.start = request.end.Minus(seconds(35));
  request.max_exemplars = 0;
  request.max_series = 0;
  request.judge = &query::reference::TestJudge();
  return request;
}

struct Tally {
  size_t answers = 0;
  uint64_t cached = 0;
};

void CompareRounds(const Backend& backend, uint64_t seed, Tally* tally) {
  const std::vector<uint8_t> bytes = RandomBytes(seed);
  ByteSource source(bytes);
  const auto tested = backend.make();
  storage::TraceStore& store = tested->store();
  alerting::SharedScanReader shared(store);
  query::MetricsCache cache;
  const std::vector<traceql::Query> queries = {
      query::reference::RandomMetricsQuery(source),
      query::reference::RandomMetricsQuery(source)};
  for (int round = 0; round < 5; ++round) {
    if (round != 2) Write(store, source);
    if (round == 1 || round == 3) tested->Flush();
    for (const traceql::Query& query : queries) {
      MetricsRequest request = WindowOf(round, query);
      const auto expected = query::RunMetrics(store, {}, request);
      request.cache = &cache;
      request.sliding = true;
      const auto actual = query::RunMetrics(shared, {}, request);
      // What divides by zero may lie outside the window.
      if (!expected) continue;
      ASSERT_TRUE(actual) << actual.error().message;
      ASSERT_EQ(query::reference::Difference(*expected, *actual), "")
          << backend.name << " seed " << seed << " round " << round << ": "
          << traceql::Print(query);
      tally->answers += expected->series.empty() ? 0 : 1;
      tally->cached += actual->stats.units_cached;
    }
    shared.Reset();
  }
}

// Windows that move on while spans come in, late ones as well, and what slices
// gave is kept: as if each round read everything.
TEST(SharedScan, RandomQueriesOverMovingWindowsAnswerAsTheStoreItself) {
  for (const Backend& backend : AllBackends()) {
    Tally tally;
    for (uint64_t seed = 0; seed < 30; ++seed) {
      CompareRounds(backend, seed, &tally);
      if (HasFatalFailure()) return;
    }
    EXPECT_GT(tally.answers, 100u);
    EXPECT_GT(tally.cached, 150u);
  }
}

}  // namespace
}  // namespace khtrace::conformance
