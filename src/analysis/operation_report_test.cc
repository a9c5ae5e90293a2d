// SPDX-License-Identifier: Apache-2.0
#include "analysis/operation_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "aggregate/partial_builder.h"
#include "analysis/bottleneck.h"
#include "analysis/category_rules.h"
#include "analysis/testing.h"

namespace khtrace::analysis {
namespace {

using aggregate::AggregateBatches;
using aggregate::Partial;
using model::SpanKind;
using testing::ElementsAre;

// Ten minutes.
constexpr Window kWindow{{kEpoch}, {kEpoch + 600 * kSecond}};

struct Calls {
  std::string name = "op";
  SpanKind kind = SpanKind::kServer;
  size_t count = 100;
  double ms = 10;  // each
  size_t failed = 0;
  std::string service = "shop";
  std::string attribute = {};
  std::string trace_state = {};
};

std::vector<model::SpanBatchPtr> Traces(const std::vector<Calls>& all,
                                        uint64_t at = kEpoch) {
  std::vector<model::SpanBatchPtr> traces;
  uint64_t id = at;
  for (const Calls& calls : all) {
    for (size_t i = 0; i < calls.count; ++i) {
      TestSpan span;
      span.duration_ms = calls.ms;
      span.name = calls.name;
      span.kind = calls.kind;
      span.service = calls.service;
      span.failed = i < calls.failed;
      span.trace_state = calls.trace_state;
      if (!calls.attribute.empty()) span.texts = {{calls.attribute, "x"}};
      traces.push_back(TraceOf({span}, ++id, at));
    }
  }
  return traces;
}

std::vector<OperationReport> Report(
    const std::vector<Calls>& all, const std::vector<Calls>& before = {},
    const AnalysisOptions& options = AnalysisOptions::Defaults()) {
  const Partial current = AggregateBatches(Traces(all));
  const Partial previous =
      AggregateBatches(Traces(before, kEpoch - 600 * kSecond));
  ReportInput input;
  input.current = &current;
  if (!before.empty()) input.previous = &previous;
  input.window = kWindow;
  input.options = &options;
  return ReportOperations(input);
}

const OperationReport& Find(const std::vector<OperationReport>& reports,
                            std::string_view name) {
  return *std::find_if(reports.begin(), reports.end(),
                       [&](const auto& r) { return r.operation == name; });
}

TEST(FitsPattern, StarsStandForAnyCharacters) {
  EXPECT_TRUE(FitsPattern("memory.*", "memory.search"));
  EXPECT_TRUE(FitsPattern("*", ""));
  EXPECT_TRUE(FitsPattern("a*b*c", "a-b-b-c"));
  EXPECT_TRUE(FitsPattern("**a", "a"));
  EXPECT_FALSE(FitsPattern("memory.*", "memory"));
  EXPECT_FALSE(FitsPattern("a*b", "a-c"));
  EXPECT_FALSE(FitsPattern("", "a"));
}

TEST(Categories, FollowTheRulesInTheirOrder) {
  const auto reports = Report({
      {.name = "session.restore", .kind = SpanKind::kInternal},
      {.name = "memory.search", .kind = SpanKind::kServer},
      {.name = "chat", .kind = SpanKind::kClient, .attribute = "gen_ai.system"},
      {.name = "SELECT", .kind = SpanKind::kClient, .attribute = "db.system"},
      {.name = "GET /", .kind = SpanKind::kServer},
      {.name = "render", .kind = SpanKind::kInternal},
  });
  EXPECT_EQ(Find(reports, "session.restore").category, "session");
  EXPECT_EQ(Find(reports, "memory.search").category, "memory");
  EXPECT_EQ(Find(reports, "chat").category, "ai");
  EXPECT_EQ(Find(reports, "SELECT").category, "database");
  EXPECT_EQ(Find(reports, "GET /").category, "api");
  EXPECT_EQ(Find(reports, "render").category, "");
  EXPECT_EQ(Find(reports, "render").no_grade, "no_target");
  // Without a target it comes last.
  EXPECT_EQ(reports.back().operation, "render");
}

TEST(Categories, OfAnOperationMayBeTwo) {
  const auto reports =
      Report({{.name = "call", .kind = SpanKind::kServer, .count = 30},
              {.name = "call", .kind = SpanKind::kClient, .count = 70}});
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_EQ(reports[0].category, "api");
  EXPECT_EQ(reports[0].count, 30u);
  EXPECT_EQ(reports[1].category, "");
  EXPECT_EQ(reports[1].count, 70u);
}

TEST(Impact, IsTheProductOfItsFactors) {
  const auto reports =
      Report({{.name = "slow", .count = 150, .ms = 500, .failed = 15},
              {.name = "fast", .count = 70, .ms = 10}});
  const OperationReport& slow = Find(reports, "slow");
  EXPECT_NEAR(slow.impact.duration, 2.5, 0.03);  // of 200 ms
  EXPECT_DOUBLE_EQ(slow.calls_per_min, 15);
  EXPECT_DOUBLE_EQ(slow.impact.frequency, 4);  // log2(16)
  EXPECT_DOUBLE_EQ(slow.impact.reliability, 1.9);
  EXPECT_DOUBLE_EQ(
      slow.impact.score,
      slow.impact.duration * slow.impact.frequency * slow.impact.reliability);
  EXPECT_EQ(slow.impact.rank, 100);
  EXPECT_EQ(reports[0].operation, "slow");
  EXPECT_LT(reports[1].impact.rank, 10);
}

TEST(Impact, GrowsWithEachFactor) {
  std::mt19937_64 random(1);
  for (int run = 0; run < 200; ++run) {
    Calls base;
    base.count = 20 + random() % 100;
    base.ms = 1 + static_cast<double>(random() % 1000);
    base.failed = random() % 10;
    const double score = Report({base})[0].impact.score;
    Calls slower = base;
    slower.ms *= 1.5;
    EXPECT_GT(Report({slower})[0].impact.score, score);
    Calls failing = base;
    failing.failed += 5;
    EXPECT_GT(Report({failing})[0].impact.score, score);
    Calls more = base;
    more.count *= 2;
    more.failed *= 2;
    EXPECT_GT(Report({more})[0].impact.score, score);
  }
}

TEST(Grades, NeedTwentyCalls) {
  const auto few = Report({{.count = 19}});
  EXPECT_EQ(few[0].grade, std::nullopt);
  EXPECT_EQ(few[0].no_grade, "insufficient_data");
  EXPECT_EQ(few[0].count, 19u);
  EXPECT_EQ(few[0].reason, "19 of the 20 calls that a grade needs");
  const auto enough = Report({{.count = 20}});
  EXPECT_EQ(enough[0].grade, Grade::kA);
  EXPECT_EQ(enough[0].no_grade, "");
}

TEST(Grades, AreCappedByErrorsAndSaySo) {
  const auto reports = Report({{.count = 100, .ms = 10, .failed = 2}});
  EXPECT_EQ(reports[0].grade, Grade::kC);
  EXPECT_EQ(reports[0].latency_grade, Grade::kA);
  EXPECT_THAT(reports[0].reason, testing::HasSubstr("2.0 % of the calls fail"));
}

TEST(Grades, OfAnOperationsOwnTargets) {
  AnalysisOptions options = AnalysisOptions::Defaults();
  TargetOverride over;
  over.service = "sh*";
  over.operation = "op";
  over.targets = options.categories[0].targets;
  over.targets.bands[0] = std::chrono::milliseconds(5);
  options.overrides = {over};
  EXPECT_EQ(Report({{.ms = 10}}, {}, options)[0].grade, Grade::kB);
}

TEST(Percentiles, AreWithinAPercentOfSorting) {
  std::mt19937_64 random(2);
  std::lognormal_distribution<double> distribution(3, 1);
  std::vector<model::SpanBatchPtr> traces;
  std::vector<double> sorted;
  for (uint64_t i = 1; i <= 3'000; ++i) {
    TestSpan span;
    span.duration_ms = distribution(random);
    span.kind = SpanKind::kServer;
    sorted.push_back(std::floor(span.duration_ms * 1e6));
    traces.push_back(TraceOf({span}, i));
  }
  std::sort(sorted.begin(), sorted.end());
  const Partial partial = AggregateBatches(traces);
  const AnalysisOptions options = AnalysisOptions::Defaults();
  ReportInput input;
  input.current = &partial;
  input.window = kWindow;
  input.options = &options;
  const OperationReport report = ReportOperations(input)[0];
  const auto exact = [&](double q) {
    return sorted[static_cast<size_t>(std::ceil(q * 3'000)) - 1];
  };
  EXPECT_NEAR(report.p50, exact(0.5), exact(0.5) * 0.01);
  EXPECT_NEAR(report.p75, exact(0.75), exact(0.75) * 0.01);
  EXPECT_NEAR(report.p95, exact(0.95), exact(0.95) * 0.01);
  EXPECT_NEAR(report.p99, exact(0.99), exact(0.99) * 0.01);
  ASSERT_FALSE(report.slowest.empty());
  EXPECT_EQ(static_cast<double>(report.slowest[0].duration_nanos),
            sorted.back());
  EXPECT_FALSE(report.typical.empty());
}

TEST(Counts, AreCorrectedForSampling) {
  // One of four was kept.
  const auto reports = Report({{.count = 100, .trace_state = "ot=th:c"}});
  EXPECT_EQ(reports[0].count, 100u);
  EXPECT_DOUBLE_EQ(reports[0].estimated_count, 400);
  EXPECT_DOUBLE_EQ(reports[0].calls_per_min, 40);
  EXPECT_NEAR(reports[0].estimated_count_error, 1.96 * std::sqrt(100 * 4 * 3),
              1e-9);
}

TEST(SampledCounts, IntervalsCoverTheTruth) {
  std::mt19937_64 random(9);
  int covered = 0;
  constexpr int kRuns = 200;
  constexpr double kTrue = 2'000;
  for (int run = 0; run < kRuns; ++run) {
    size_t kept = 0;
    for (int i = 0; i < kTrue; ++i) kept += random() % 4 == 0;
    const auto reports = Report({{.count = kept, .trace_state = "ot=th:c"}});
    covered += std::fabs(reports[0].estimated_count - kTrue) <=
               reports[0].estimated_count_error;
  }
  EXPECT_GE(covered, kRuns * 93 / 100);
}

TEST(Trend, ComparesWithTheWindowBefore) {
  const std::vector<Calls> before = {{.name = "slower", .ms = 10},
                                     {.name = "faster", .ms = 30},
                                     {.name = "same", .ms = 10},
                                     {.name = "few", .count = 3}};
  const auto reports = Report({{.name = "slower", .ms = 20},
                               {.name = "faster", .ms = 10},
                               {.name = "same", .ms = 10},
                               {.name = "few", .ms = 90},
                               {.name = "new"}},
                              before);
  EXPECT_EQ(Find(reports, "slower").trend.direction, TrendDirection::kSlower);
  EXPECT_NEAR(Find(reports, "slower").trend.change, 1, 0.03);
  EXPECT_EQ(Find(reports, "faster").trend.direction, TrendDirection::kFaster);
  EXPECT_EQ(Find(reports, "same").trend.direction, TrendDirection::kSame);
  EXPECT_EQ(Find(reports, "few").trend.direction, TrendDirection::kUnknown);
  EXPECT_EQ(Find(reports, "new").trend.direction, TrendDirection::kNew);
}

TEST(RollUp, IsTheMeanWeightedByImpact) {
  OperationReport good;
  good.grade = Grade::kA;
  good.impact.score = 1;
  OperationReport bad;
  bad.grade = Grade::kF;
  bad.impact.score = 1;
  OperationReport none;
  EXPECT_EQ(RollUp({&good, &bad, &none}), Grade::kC);
  bad.impact.score = 9;
  EXPECT_EQ(RollUp({&good, &bad}), Grade::kF);
  good.impact.score = 90;
  EXPECT_EQ(RollUp({&good, &bad}), Grade::kA);
  EXPECT_EQ(RollUp({&none}), std::nullopt);
  EXPECT_EQ(RollUp({}), std::nullopt);
}

TEST(CriticalPaths, GiveSharesAndWhatCouldBeRecovered) {
  // 300 ms, of which the query takes 250; its target is 100 ms.
  std::vector<model::SpanBatchPtr> traces;
  for (uint64_t i = 1; i <= 50; ++i) {
    TestSpan page;
    page.name = "GET /";
    page.kind = SpanKind::kServer;
    page.duration_ms = 300;
    TestSpan query;
    query.id = 2;
    query.parent = 1;
    query.start_ms = 20;
    query.duration_ms = 250;
    query.name = "SELECT";
    query.kind = SpanKind::kClient;
    query.texts = {{"db.system.name", "postgresql"}};
    traces.push_back(TraceOf({page, query}, i));
  }
  const Partial partial = AggregateBatches(traces);
  const AnalysisOptions options = AnalysisOptions::Defaults();
  ReportInput input;
  input.current = &partial;
  input.window = kWindow;
  input.options = &options;
  const auto reports = ReportOperations(input);
  const OperationReport& query = Find(reports, "SELECT");
  EXPECT_NEAR(query.critical_path_share, 250.0 / 300, 1e-9);
  EXPECT_EQ(query.critical_traces, 50u);
  // 150 of 250 ms above the target, 50 times in 10 minutes.
  EXPECT_NEAR(query.recoverable_nanos_per_hour, 50 * 150e6 * 6, 0.02 * 45e9);
  const OperationReport& page = Find(reports, "GET /");
  EXPECT_THAT(page.reason, testing::HasSubstr("1.5× the 200 ms target"));
  EXPECT_THAT(page.reason, testing::HasSubstr("83 % of it in SELECT"));
}

TEST(Services, AreWhatEntersThem) {
  const auto traces =
      Traces({{.name = "GET /", .count = 60, .ms = 100, .failed = 6},
              {.name = "render", .kind = SpanKind::kInternal, .count = 500},
              {.name = "tick",
               .kind = SpanKind::kInternal,
               .count = 30,
               .service = "cron"}});
  const Partial partial = AggregateBatches(traces);
  const AnalysisOptions options = AnalysisOptions::Defaults();
  ReportInput input;
  input.current = &partial;
  input.window = kWindow;
  input.options = &options;
  const auto operations = ReportOperations(input);
  const auto services = ReportServices(input, operations);
  ASSERT_EQ(services.size(), 2u);
  EXPECT_EQ(services[0].service, "cron");
  EXPECT_EQ(services[0].count, 30u);
  EXPECT_EQ(services[0].grade, std::nullopt);
  EXPECT_EQ(services[1].count, 60u);
  EXPECT_DOUBLE_EQ(services[1].calls_per_min, 6);
  EXPECT_DOUBLE_EQ(services[1].error_rate, 0.1);
  EXPECT_EQ(services[1].grade, Grade::kF);
  EXPECT_EQ(services[1].operations.size(), 2u);
}

TEST(SeriesOf, HasAPointForEachBucket) {
  std::vector<model::SpanBatchPtr> traces =
      Traces({{.count = 10, .failed = 1}});
  for (auto& later : Traces({{.count = 5}}, kEpoch + 500 * kSecond)) {
    traces.push_back(std::move(later));
  }
  const Partial partial = AggregateBatches(traces);
  const Window window{{kEpoch}, {kEpoch + 900 * kSecond}};
  const auto points = SeriesOf(partial, window, 5, "shop", "op");
  ASSERT_EQ(points.size(), 3u);
  EXPECT_EQ(points[0].start.ns, kEpoch);
  EXPECT_EQ(points[0].count, 10u);
  EXPECT_EQ(points[0].errors, 1u);
  EXPECT_EQ(points[1].count, 5u);
  EXPECT_EQ(points[2].count, 0u);
  EXPECT_EQ(points[2].p95, 0);
}

TEST(Bottlenecks, AreThoseAboveTheThresholdOrTarget) {
  const auto reports = Report({
      {.name = "slow", .ms = 500},
      {.name = "ok", .ms = 150},
      {.name = "plain", .kind = SpanKind::kInternal, .ms = 900},
  });
  const auto names = [&](BottleneckRequest request) {
    std::vector<std::string> result;
    for (const Bottleneck& b :
         SelectBottlenecks(reports, kWindow, request).bottlenecks) {
      result.push_back(b.operation.operation);
    }
    return result;
  };
  BottleneckRequest request;
  request.sort = BottleneckSort::kP95;
  EXPECT_THAT(names(request), ElementsAre("slow"));
  request.threshold = std::chrono::milliseconds(100);
  EXPECT_THAT(names(request), ElementsAre("plain", "slow", "ok"));
  request.threshold = std::chrono::nanoseconds(0);
  EXPECT_EQ(names(request).size(), 3u);
  request.category = "none";
  EXPECT_THAT(names(request), ElementsAre("plain"));
  request.category = "api";
  request.offset = 1;
  EXPECT_THAT(names(request), ElementsAre("ok"));
  request.limit = 0;
  EXPECT_TRUE(names(request).empty());
  request.min_count = 101;
  EXPECT_EQ(SelectBottlenecks(reports, kWindow, request).total, 0u);
}

TEST(Bottlenecks, CountSlowCallsAndRaiseFlags) {
  auto calls = std::vector<Calls>{{.name = "op", .count = 90, .ms = 50},
                                  {.name = "op", .count = 30, .ms = 400}};
  const auto reports = Report(calls);
  const BottleneckList list = SelectBottlenecks(reports, kWindow, {});
  ASSERT_EQ(list.bottlenecks.size(), 1u);
  const Bottleneck& bottleneck = list.bottlenecks[0];
  EXPECT_EQ(bottleneck.slow_count, 30u);
  EXPECT_DOUBLE_EQ(bottleneck.slow_share, 0.25);
  EXPECT_THAT(bottleneck.flags,
              ElementsAre("over_target", "frequent", "system_wide"));
}

}  // namespace
}  // namespace khtrace::analysis
