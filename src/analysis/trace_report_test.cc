// SPDX-License-Identifier: Apache-2.0
#include "analysis/trace_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "aggregate/partial_builder.h"
#include "analysis/testing.h"
#include "model/testing.h"

namespace khtrace::analysis {
namespace {

using model::SpanKind;
using testing::ElementsAre;

const AnalysisOptions& Options() {
  static const AnalysisOptions options = AnalysisOptions::Defaults();
  return options;
}

// The segments follow each other and cover the root's duration once.
void ExpectPartition(const model::SpanBatch& batch, const CriticalPath& path) {
  const uint64_t root_start = batch.spans().start[path.root].ns;
  uint64_t at = root_start;
  for (const PathSegment& segment : path.segments) {
    ASSERT_EQ(segment.start.ns, at);
    ASSERT_LT(segment.start, segment.end);
    at = segment.end.ns;
  }
  ASSERT_EQ(at - root_start, batch.DurationNanos(path.root));
}

TEST(CriticalPath, PartitionsTheRootsDurationInRandomTraces) {
  std::mt19937_64 random(1);
  for (uint64_t t = 0; t < RunsOf(100'000); ++t) {
    std::vector<TestSpan> spans;
    const uint64_t size = 1 + random() % 12;
    for (uint64_t i = 0; i < size; ++i) {
      TestSpan span;
      span.id = i + 1;
      // Any parent: earlier, later, itself, missing.
      span.parent = random() % (size + 3);
      span.start_ms = static_cast<double>(random() % 50);
      span.duration_ms = static_cast<double>(random() % 40);
      spans.push_back(span);
    }
    const model::SpanBatchPtr batch = TraceOf(spans, t + 1);
    ExpectPartition(*batch, FindCriticalPath(*batch));
    if (HasFatalFailure()) FAIL() << "trace " << t;
  }
}

TEST(CriticalPath, GoesThroughTheChildThatEndsLast) {
  TestSpan root;
  root.duration_ms = 100;
  TestSpan first = root;
  first.id = 2;
  first.parent = 1;
  first.start_ms = 10;
  first.duration_ms = 50;
  first.name = "first";
  TestSpan beside = first;
  beside.id = 3;
  beside.start_ms = 20;
  beside.duration_ms = 70;
  beside.name = "beside";
  // Runs on after its parent: nobody waited for that.
  TestSpan after = first;
  after.id = 4;
  after.parent = 3;
  after.start_ms = 80;
  after.duration_ms = 500;
  after.name = "after";
  const model::SpanBatchPtr batch = TraceOf({root, first, beside, after});
  const CriticalPath path = FindCriticalPath(*batch);
  std::vector<std::pair<std::string, double>> told;
  for (const PathSegment& segment : path.segments) {
    told.push_back(
        {std::string(batch->String(batch->spans().name[segment.row])),
         static_cast<double>(segment.end.ns - segment.start.ns) / 1e6});
  }
  EXPECT_THAT(told,
              ElementsAre(std::pair("op", 20.0), std::pair("beside", 60.0),
                          std::pair("after", 10.0), std::pair("op", 10.0)));
}

TEST(CriticalPath, OfNothingIsEmpty) {
  EXPECT_TRUE(FindCriticalPath(model::SpanBatch()).segments.empty());
  EXPECT_EQ(ReportTrace(model::SpanBatch(), Options()).span_count, 0u);
}

TEST(PathsByRoot, AgreesWithTheTracesThemselves) {
  std::vector<model::SpanBatchPtr> traces;
  std::map<std::string, uint64_t> expected;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<TestSpan> spans;
    for (uint64_t i = 0; i < 8; ++i) {
      TestSpan span;
      span.id = i + 1;
      span.parent = i == 0 ? 0 : 1 + random() % i;
      span.start_ms = static_cast<double>(i);
      span.duration_ms = static_cast<double>(random() % 60);
      span.name = i == 0 ? "root" : "op" + std::to_string(random() % 3);
      spans.push_back(span);
    }
    traces.push_back(TraceOf(spans, seed));
    for (const PathShare& share :
         SharesOf(*traces.back(), FindCriticalPath(*traces.back()))) {
      expected[share.operation] += share.nanos;
    }
  }
  const auto paths =
      PathsByRoot(aggregate::AggregateBatches(traces), "shop", "");
  ASSERT_EQ(paths.size(), 1u);
  EXPECT_EQ(paths[0].root_operation, "root");
  std::map<std::string, uint64_t> told;
  double shares = 0;
  for (const PathShare& share : paths[0].shares) {
    told[share.operation] = share.nanos;
    shares += share.share;
  }
  EXPECT_EQ(told, expected);
  EXPECT_NEAR(shares, 1, 1e-9);
}

TEST(TraceReport, CountsAndJudges) {
  TestSpan root;
  root.duration_ms = 300;
  root.kind = SpanKind::kServer;
  root.name = "GET /";
  std::vector<TestSpan> spans = {root};
  for (uint64_t i = 0; i < 4; ++i) {
    TestSpan query;
    query.id = 2 + i;
    query.parent = 1;
    query.start_ms = 10 + 60 * static_cast<double>(i);
    query.duration_ms = 50;
    query.name = "SELECT";
    query.kind = SpanKind::kClient;
    query.texts = {
        {"db.system.name", "postgresql"},
        {"db.query.text", "SELECT * FROM t WHERE id = " + std::to_string(i)}};
    query.failed = i == 3;
    spans.push_back(query);
  }
  spans[0].failed = true;
  TestSpan lost;
  lost.id = 99;
  lost.parent = 77;
  lost.service = "cron";
  spans.push_back(lost);
  const TraceReport report = ReportTrace(*TraceOf(spans), Options());
  EXPECT_EQ(report.span_count, 6u);
  EXPECT_EQ(report.service_count, 2u);
  EXPECT_EQ(report.error_count, 2u);
  EXPECT_EQ(report.depth, 2u);
  EXPECT_EQ(report.roots, 1u);
  EXPECT_EQ(report.missing_parents, 1u);
  EXPECT_EQ(report.duration_nanos, 300 * kMs);
  EXPECT_EQ(report.speed, "medium");
  EXPECT_EQ(report.category, "api");
  EXPECT_EQ(report.grade, Grade::kF);  // it failed
  ASSERT_EQ(report.repeated.size(), 1u);
  EXPECT_EQ(report.repeated[0].count, 4u);
  EXPECT_EQ(report.repeated[0].statement, "SELECT * FROM t WHERE id = <n>");
  EXPECT_TRUE(report.repeated[0].sequential);
  EXPECT_EQ(report.repeated[0].total_nanos, 200 * kMs);
  ASSERT_EQ(report.error_origins.size(), 1u);
  uint64_t critical = 0;
  for (const SpanJudgement& span : report.spans)
    critical += span.critical_nanos;
  EXPECT_EQ(critical, 300 * kMs);
}

TEST(TraceReport, TakesWhateverTracesThereAre) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    model::RandomBatchOptions options;
    options.span_count = 60;
    options.odd_times = true;
    const model::SpanBatch batch = model::RandomBatchForTesting(seed, options);
    const TraceReport report = ReportTrace(batch, Options());
    EXPECT_LE(report.span_count, 60u);
    EXPECT_LE(report.depth, 60u);
  }
}

TEST(TraceReport, RowSaysTheSameAsTheReport) {
  TestSpan root;
  root.name = "GET /";
  root.kind = SpanKind::kServer;
  root.duration_ms = 300;
  TestSpan query;
  query.id = 2;
  query.parent = 1;
  query.service = "stock";
  query.start_ms = 50;
  query.duration_ms = 240;
  const model::SpanBatchPtr batch = TraceOf({root, query});
  const TraceRow row = DescribeTrace(*batch, Options());
  EXPECT_EQ(row.grade, Grade::kB);
  EXPECT_EQ(row.grade, ReportTrace(*batch, Options()).grade);
  EXPECT_EQ(row.category, "api");
  ASSERT_EQ(row.path.size(), 2u);
  EXPECT_EQ(row.path[0].service, "stock");
  EXPECT_EQ(row.path[0].nanos, 240 * kMs);
  EXPECT_DOUBLE_EQ(row.path[1].share, 0.2);
  EXPECT_FALSE(DescribeTrace(*TraceOf({query}), Options()).grade);
}

}  // namespace
}  // namespace khtrace::analysis
