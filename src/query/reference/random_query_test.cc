// SPDX-License-Identifier: Apache-2.0
#include "query/reference/random_query.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "query/reference/reference.h"
#include "traceql/checker.h"
#include "traceql/parser.h"
#include "traceql/printer.h"

namespace khtrace::query::reference {
namespace {

std::vector<uint8_t> RandomBytes(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> bytes(2000);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

// What a printed query answers, as Difference compares it; "error" as well.
template <typename R, typename Run>
std::string CompareWithPrinted(const traceql::Query& query, const Run& run) {
  const auto printed = traceql::ParseQuery(traceql::Print(query));
  if (!printed) return printed.error().message;
  const Result<R> first = run(query);
  const Result<R> second = run(*printed);
  if (!first || !second) {
    return first.has_value() == second.has_value() ? "" : "one is an error";
  }
  return Difference(*first, *second);
}

struct Tally {
  size_t errors = 0;
  size_t answers = 0;
  std::set<std::string> queries;
};

TEST(RandomQuery, SearchesAreSoundManyAndOftenFindSomething) {
  Tally tally;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const std::vector<uint8_t> bytes = RandomBytes(seed);
    ByteSource source(bytes);
    const traceql::Query query = RandomSearchQuery(source);
    SearchRequest request = RandomSearchRequest(source);
    const auto traces = RandomStore(source);
    ASSERT_FALSE(query.is_metrics());
    ASSERT_TRUE(traceql::CheckQuery(query));
    request.query = &query;
    const auto result = Search(traces, request);
    tally.errors += result ? 0 : 1;
    tally.answers += result && !result->traces.empty() ? 1 : 0;
    tally.queries.insert(traceql::Print(query));
    const auto run = [&](const traceql::Query& q) {
      SearchRequest other = request;
      other.query = &q;
      return Search(traces, other);
    };
    ASSERT_EQ(CompareWithPrinted<SearchResult>(query, run), "")
        << traceql::Print(query);
  }
  EXPECT_GT(tally.queries.size(), 1500u);
  EXPECT_GT(tally.answers, 550u);
  EXPECT_LT(tally.errors, 200u);
  RecordProperty("answers", static_cast<int>(tally.answers));
  RecordProperty("errors", static_cast<int>(tally.errors));
}

TEST(RandomQuery, MetricsAreSoundManyAndOftenHaveSeries) {
  Tally tally;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const std::vector<uint8_t> bytes = RandomBytes(seed);
    ByteSource source(bytes);
    const traceql::Query query = RandomMetricsQuery(source);
    MetricsRequest request = RandomMetricsRequest(source);
    const auto traces = RandomStore(source);
    ASSERT_TRUE(query.is_metrics());
    ASSERT_TRUE(traceql::CheckQuery(query));
    request.query = &query;
    const auto result = RunMetrics(traces, request);
    tally.errors += result ? 0 : 1;
    tally.answers += result && !result->series.empty() ? 1 : 0;
    tally.queries.insert(traceql::Print(query));
    const auto run = [&](const traceql::Query& q) {
      MetricsRequest other = request;
      other.query = &q;
      return RunMetrics(traces, other);
    };
    ASSERT_EQ(CompareWithPrinted<MetricsResult>(query, run), "")
        << traceql::Print(query);
  }
  EXPECT_GT(tally.queries.size(), 1500u);
  EXPECT_GT(tally.answers, 550u);
  EXPECT_LT(tally.errors, 200u);
  RecordProperty("answers", static_cast<int>(tally.answers));
  RecordProperty("errors", static_cast<int>(tally.errors));
}

TEST(RandomQuery, WithoutBytesAllIsSimple) {
  ByteSource none({});
  EXPECT_TRUE(none.exhausted());
  EXPECT_FALSE(RandomSearchQuery(none).is_metrics());
  const auto traces = RandomStore(none);
  ASSERT_EQ(traces.size(), 1u);
  EXPECT_EQ(traces[0]->row_count(), 1u);
}

TEST(Difference, TellsWhatDiffers) {
  const std::vector<uint8_t> bytes = RandomBytes(1);
  ByteSource source(bytes);
  const auto traces = RandomStore(source);
  const auto query = traceql::ParseQuery("{ } | rate()");
  MetricsRequest request;
  request.query = &*query;
  request.start = kRandomStoreStart;
  request.end = {kRandomStoreStart.ns + 60'000'000'000};
  const auto result = RunMetrics(traces, request);
  ASSERT_TRUE(result);
  MetricsResult other = *result;
  EXPECT_EQ(Difference(*result, other), "");
  other.series[0].values[0] += 1;
  EXPECT_NE(Difference(*result, other), "");
  SearchRequest search;
  search.query = &*query;
  const auto found = Search(traces, search);
  ASSERT_TRUE(found);
  SearchResult fewer = *found;
  fewer.traces.pop_back();
  EXPECT_EQ(Difference(*found, *found), "");
  EXPECT_NE(Difference(*found, fewer), "");
}

}  // namespace
}  // namespace khtrace::query::reference
