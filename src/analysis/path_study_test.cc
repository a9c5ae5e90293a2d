// SPDX-License-Identifier: Apache-2.0
#include "analysis/path_study.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "aggregate/span_tree.h"
#include "analysis/critical_path.h"
#include "analysis/retiming.h"
#include "analysis/testing.h"
#include "storage/memory/memory_store.h"

namespace khtrace::analysis {
namespace {

using testing::HasSubstr;

class PathStudyTest : public testing::Test {
 protected:
  void Store(const model::SpanBatchPtr& batch) {
    store_.Write(context_, batch, [](Status status) { ASSERT_TRUE(status); });
  }
  // A request that waits for a query, in `version` of the shop.
  void StoreRequest(uint64_t id, double query_ms, double after_ms,
                    const std::string& version = "1", uint64_t at = kEpoch) {
    TestSpan root;
    root.name = "GET /";
    root.version = version;
    root.duration_ms = query_ms + after_ms;
    TestSpan query;
    query.id = 2;
    query.parent = 1;
    query.service = "stock";
    query.name = "SELECT";
    query.duration_ms = query_ms;
    Store(TraceOf({root, query}, id, at + id * kMs));
  }
  PathStudyRequest Request() const {
    PathStudyRequest request;
    request.window = {{kEpoch}, {kEpoch + 3600 * kSecond}};
    return request;
  }
  PathStudy Study(const PathStudyRequest& request) {
    auto study = StudyPaths(store_, context_, request);
    EXPECT_TRUE(study) << study.error().message;
    return study ? *std::move(study) : PathStudy();
  }

  storage::memory::MemoryStore store_;
  RequestContext context_;
};

TEST_F(PathStudyTest, SlowTailIsTheOperationThatWasPlanted) {
  // 100 traces: all work 10 ms after the query, which takes 5 ms, and 200 ms
  // in the slowest five.
  for (uint64_t i = 0; i < 100; ++i) StoreRequest(i + 1, i < 5 ? 200 : 5, 10);
  const PathStudy study = Study(Request());
  EXPECT_EQ(study.all.traces, 100u);
  EXPECT_TRUE(study.complete);
  ASSERT_EQ(study.bands.size(), 4u);
  EXPECT_EQ(study.bands[0].name, "p0-50");
  EXPECT_EQ(study.bands[0].traces, 50u);
  EXPECT_EQ(study.bands[3].name, "p95-100");
  EXPECT_EQ(study.bands[3].traces, 5u);
  EXPECT_EQ(study.bands[3].least_nanos, 210 * kMs);
  ASSERT_FALSE(study.slow_against_fast.operations.empty());
  const PathDifference& first = study.slow_against_fast.operations[0];
  EXPECT_EQ(first.operation, "SELECT");
  EXPECT_DOUBLE_EQ(first.difference, 195e6);
  EXPECT_DOUBLE_EQ(study.slow_against_fast.total.difference, 195e6);
  EXPECT_NEAR(first.b_share, 200.0 / 210, 1e-9);
  EXPECT_NEAR(first.a_share, 5.0 / 15, 1e-9);
  EXPECT_THAT(study.slow_against_fast.summary, HasSubstr("stock SELECT +195"));
}

TEST_F(PathStudyTest, WhatIfIsThePercentilesOfTheTracesRunAgain) {
  std::mt19937_64 random(7);
  std::vector<uint64_t> before;
  std::vector<uint64_t> after;
  for (uint64_t i = 0; i < 500; ++i) {
    const uint64_t query = 10 + random() % 500;
    StoreRequest(i + 1, static_cast<double>(query), 20);
    before.push_back((query + 20) * kMs);
    after.push_back(query * kMs / 10 * 9 + 20 * kMs);
  }
  std::sort(before.begin(), before.end());
  std::sort(after.begin(), after.end());
  const PathStudy study = Study(Request());
  ASSERT_EQ(study.what_if.size(), 2u);
  EXPECT_EQ(study.what_if[0].operation, "SELECT");
  EXPECT_EQ(study.what_if[0].traces, 500u);
  EXPECT_EQ(study.what_if[0].p95_saving, before[474] - after[474]);
  EXPECT_EQ(study.what_if[0].p50_saving, before[249] - after[249]);
  EXPECT_EQ(study.what_if[1].p95_saving, 2 * kMs);
}

TEST_F(PathStudyTest, WindowsAreCompared) {
  for (uint64_t i = 0; i < 60; ++i) {
    StoreRequest(i + 1, 30 + static_cast<double>(i % 3), 10);
    StoreRequest(i + 1001, 50 + static_cast<double>(i % 3), 10, "1",
                 kEpoch + 3600 * kSecond);
  }
  PathStudyRequest request = Request();
  request.window = {{kEpoch + 3600 * kSecond}, {kEpoch + 7200 * kSecond}};
  request.baseline = Request().window;
  const PathStudy study = Study(request);
  ASSERT_TRUE(study.comparison);
  EXPECT_EQ(study.sides[0].traces, 60u);
  EXPECT_EQ(study.sides[1].traces, 60u);
  const PathDifference& first = study.comparison->operations[0];
  EXPECT_EQ(first.operation, "SELECT");
  EXPECT_NEAR(first.difference, 20e6, 1);
  EXPECT_GT(first.interval.low, 19e6);
  EXPECT_LT(first.interval.high, 21e6);
  EXPECT_NEAR(study.comparison->operations[1].difference, 0, 1);
}

TEST_F(PathStudyTest, VersionsAreComparedAndMixedTracesLeftOut) {
  for (uint64_t i = 0; i < 40; ++i) {
    StoreRequest(i + 1, 30, 10, "1.0");
    StoreRequest(i + 101, 30, 25, "1.1");
  }
  TestSpan root;
  root.version = "1.0";
  TestSpan other = root;
  other.id = 2;
  other.parent = 1;
  other.version = "1.1";
  Store(TraceOf({root, other}, 999));
  PathStudyRequest request = Request();
  request.versions = {"1.0", "1.1"};
  const PathStudy study = Study(request);
  ASSERT_TRUE(study.comparison);
  EXPECT_EQ(study.sides[0].name, "version 1.0");
  EXPECT_EQ(study.sides[0].traces, 40u);
  EXPECT_EQ(study.sides[1].traces, 40u);
  EXPECT_EQ(study.mixed_traces, 1u);
  EXPECT_EQ(study.comparison->operations[0].operation, "GET /");
  EXPECT_NEAR(study.comparison->operations[0].difference, 15e6, 1);
  request.version_service = "stock";
  EXPECT_EQ(Study(request).sides[0].traces, 0u);
}

TEST_F(PathStudyTest, QueryAndRootChooseTheTraces) {
  for (uint64_t i = 0; i < 20; ++i) StoreRequest(i + 1, 5, 10);
  TestSpan other;
  other.name = "POST /";
  other.duration_ms = 500;
  Store(TraceOf({other}, 500));
  PathStudyRequest request = Request();
  request.root_operation = "POST /";
  EXPECT_EQ(Study(request).all.traces, 1u);
  request.root_operation = "";
  request.query = "{ duration > 400ms }";
  EXPECT_EQ(Study(request).all.traces, 1u);
  request.query = "{ name = \"SELECT\" } | count() > 0";
  request.root_operation = "GET /";
  request.root_service = "shop";
  EXPECT_EQ(Study(request).all.traces, 20u);
  request.max_traces = 7;
  const PathStudy cut = Study(request);
  EXPECT_EQ(cut.all.traces, 7u);
  EXPECT_FALSE(cut.complete);
  ASSERT_TRUE(cut.oldest);
  EXPECT_EQ(cut.oldest->ns, kEpoch + 14 * kMs);
}

TEST_F(PathStudyTest, NothingFoundIsSaid) {
  const PathStudy study = Study(Request());
  EXPECT_EQ(study.all.traces, 0u);
  EXPECT_EQ(study.bands.size(), 4u);
  EXPECT_TRUE(study.what_if.empty());
  EXPECT_THAT(study.slow_against_fast.summary, HasSubstr("no traces"));
}

TEST_F(PathStudyTest, QueriesThatSelectNoSpansAreRefused) {
  PathStudyRequest request = Request();
  for (const char* query : {"{ ", "{ } | rate()"}) {
    request.query = query;
    const auto study = StudyPaths(store_, context_, request);
    ASSERT_FALSE(study);
    EXPECT_EQ(study.error().code, Code::kInvalidArgument);
  }
}

// The path of a sampled trace is that of the trace itself.
TEST_F(PathStudyTest, SampledPathsAreThoseOfWholeTraces) {
  std::mt19937_64 random(3);
  for (uint64_t t = 1; t <= 300; ++t) {
    std::vector<TestSpan> spans;
    const uint64_t size = 1 + random() % 10;
    for (uint64_t i = 0; i < size; ++i) {
      TestSpan span;
      span.id = i + 1;
      span.parent = random() % (size + 3);
      span.start_ms = static_cast<double>(random() % 50);
      span.duration_ms = static_cast<double>(random() % 40);
      span.name = std::to_string(random() % 4);
      spans.push_back(span);
    }
    Store(TraceOf(spans, t));
  }
  SampleRequest request;
  request.window = Request().window;
  const auto sample = TakeSample(store_, context_, request);
  ASSERT_TRUE(sample) << sample.error().message;
  ASSERT_EQ(sample->traces.size(), 300u);
  Retiming retiming;
  for (const TraceSample::Trace& trace : sample->traces) {
    const auto batch = store_.GetTrace(context_, trace.id);
    ASSERT_TRUE(batch);
    std::map<std::string, uint64_t> expected;
    for (const PathShare& share :
         SharesOf(**batch, FindCriticalPath(**batch))) {
      expected[share.operation] = share.nanos;
    }
    retiming.Set(sample->SpansOf(trace), trace.root);
    std::map<std::string, uint64_t> got;
    for (size_t i = 0; i < trace.count; ++i) {
      const uint64_t nanos = retiming.critical()[i];
      const auto& span = sample->spans[trace.first + i];
      if (nanos > 0) got[sample->operations[span.operation].name] += nanos;
    }
    EXPECT_EQ(got, expected) << trace.id.ToHex();
  }
}

}  // namespace
}  // namespace khtrace::analysis
