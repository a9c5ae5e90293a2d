// SPDX-License-Identifier: Apache-2.0
#include "analysis/analyzer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stop_token>

#include "analysis/testing.h"
#include "storage/memory/memory_store.h"

namespace khtrace::analysis {
namespace {

using model::SpanKind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class AnalyzerTest : public testing::Test {
 protected:
  void Store(const std::vector<TestSpan>& spans, uint64_t at) {
    store_.Write(context_, TraceOf(spans, ++id_, at),
                 [](Status status) { ASSERT_TRUE(status); });
  }
  // A page with ten queries in a row, one minute ago.
  void StoreSlowPage(uint64_t at, std::string version = "1") {
    TestSpan page;
    page.name = "GET /";
    page.kind = SpanKind::kServer;
    page.duration_ms = 600;
    page.version = version;
    std::vector<TestSpan> spans = {page};
    for (uint64_t i = 0; i < 10; ++i) {
      TestSpan query;
      query.id = 2 + i;
      query.parent = 1;
      query.start_ms = 5 + 55 * static_cast<double>(i);
      query.duration_ms = 50;
      query.name = "SELECT";
      query.kind = SpanKind::kClient;
      query.version = version;
      query.texts = {{"db.system.name", "postgresql"},
                     {"db.query.text", "SELECT 1"}};
      spans.push_back(query);
    }
    Store(spans, at);
  }
  Window LastHour() const {
    return {clock_.Now().Minus(std::chrono::hours(1)), clock_.Now()};
  }

  RequestContext context_;
  storage::memory::MemoryStore store_;
  FakeClock clock_{UnixNanos{kEpoch + 3600 * kSecond}};
  Analyzer analyzer_{store_, clock_, AnalysisOptions::Defaults(), nullptr};
  uint64_t id_ = 0;
};

TEST_F(AnalyzerTest, AnEmptyStoreHasAnEmptyAnswer) {
  const auto snapshot = analyzer_.Look(context_, LastHour());
  ASSERT_TRUE(snapshot);
  EXPECT_TRUE((*snapshot)->operations.empty());
  EXPECT_EQ((*snapshot)->grade, std::nullopt);
  BottleneckRequest request;
  request.window = LastHour();
  EXPECT_EQ(analyzer_.Bottlenecks(context_, request)->total, 0u);
  EXPECT_TRUE((*analyzer_.Errors(context_, LastHour()))->empty());
}

TEST_F(AnalyzerTest, BottlenecksComeWithAdvice) {
  const uint64_t at = clock_.Now().ns - 60 * kSecond;
  for (int i = 0; i < 30; ++i) StoreSlowPage(at);
  BottleneckRequest request;
  request.window = LastHour();
  const auto list = analyzer_.Bottlenecks(context_, request);
  ASSERT_TRUE(list);
  ASSERT_EQ(list->bottlenecks.size(), 1u);
  const Bottleneck& page = list->bottlenecks[0];
  EXPECT_EQ(page.operation.operation, "GET /");
  EXPECT_EQ(page.operation.grade, Grade::kC);
  ASSERT_FALSE(page.recommendations.empty());
  EXPECT_EQ(page.recommendations[0].type, RecommendationType::kNPlusOne);
  EXPECT_EQ(page.recommendations[0].evidence.traces.size(), 3u);
}

TEST_F(AnalyzerTest, RatesAreOfTheTimeSinceThereIsData) {
  // Half a minute after the first span of all, in the middle of a bucket.
  clock_.Advance(std::chrono::seconds(150));
  for (int i = 0; i < 30; ++i) StoreSlowPage(kEpoch + 3720 * kSecond);
  const auto snapshot = analyzer_.Look(context_, LastHour());
  ASSERT_TRUE(snapshot);
  EXPECT_DOUBLE_EQ((*snapshot)->window.Minutes(), 0.5);
  EXPECT_DOUBLE_EQ((*snapshot)->services[0].calls_per_min, 60);
}

TEST_F(AnalyzerTest, AnswersAreKeptForAMoment) {
  StoreSlowPage(clock_.Now().ns - 60 * kSecond);
  const auto first = analyzer_.Look(context_, LastHour());
  StoreSlowPage(clock_.Now().ns - 60 * kSecond);
  EXPECT_EQ(*analyzer_.Look(context_, LastHour()), *first);
  clock_.Advance(std::chrono::seconds(6));
  const auto later = analyzer_.Look(context_, LastHour());
  EXPECT_EQ((*later)->spans, 2 * (*first)->spans);
}

TEST_F(AnalyzerTest, TenantsAreApart) {
  StoreSlowPage(clock_.Now().ns - 60 * kSecond);
  ASSERT_TRUE(analyzer_.Look(context_, LastHour()));
  RequestContext other;
  other.tenant = "other";
  EXPECT_EQ((*analyzer_.Look(other, LastHour()))->spans, 0u);
}

TEST_F(AnalyzerTest, OperationsAreAnalysed) {
  const uint64_t at = clock_.Now().ns - 60 * kSecond;
  for (int i = 0; i < 30; ++i) StoreSlowPage(at);
  OperationRequest request;
  request.window = LastHour();
  request.operation = "GET /";
  const auto analysis = analyzer_.AnalyzeOperation(context_, request);
  ASSERT_TRUE(analysis);
  EXPECT_EQ(analysis->report.count, 30u);
  EXPECT_TRUE(analysis->other_services.empty());
  EXPECT_GT(analysis->looked_at, 0u);
  ASSERT_EQ(analysis->children.size(), 1u);
  EXPECT_EQ(analysis->children[0].operation, "SELECT");
  EXPECT_DOUBLE_EQ(analysis->children[0].calls_per_call, 10);
  EXPECT_NEAR(analysis->children[0].share, 500.0 / 600, 1e-9);
  EXPECT_NEAR(analysis->self_share, 100.0 / 600, 1e-9);
  uint64_t in_series = 0;
  for (const TimePoint& point : analysis->series) in_series += point.count;
  EXPECT_EQ(in_series, 30u);
  request.operation = "nothing";
  EXPECT_EQ(analyzer_.AnalyzeOperation(context_, request).error().code,
            Code::kNotFound);
  request.operation = "GET /";
  request.service = "nobody";
  EXPECT_THAT(analyzer_.AnalyzeOperation(context_, request).error().message,
              HasSubstr("of service \"nobody\""));
}

TEST_F(AnalyzerTest, ExplainsWhatIsDifferentAboutASelection) {
  const uint64_t at = clock_.Now().ns - 60 * kSecond;
  for (int i = 0; i < 60; ++i) {
    TestSpan page;
    page.name = "GET /";
    page.version = i % 3 == 0 ? "2" : "1";
    page.duration_ms = i % 3 == 0 ? 900 : 20;
    page.texts = {{"shelf", i % 2 == 0 ? "left" : "right"}};
    Store({page}, at);
  }
  ExplainRequest request;
  request.selection = "{ duration > 500ms }";
  request.start = LastHour().start;
  request.end = LastHour().end;
  const auto explanation = analyzer_.Explain(context_, request);
  ASSERT_TRUE(explanation) << explanation.error().message;
  EXPECT_EQ(explanation->selected, 20u);
  EXPECT_EQ(explanation->others, 40u);
  ASSERT_FALSE(explanation->differences.empty());
  const Difference& first = explanation->differences[0];
  EXPECT_EQ(first.attribute, "resource.service.version");
  EXPECT_DOUBLE_EQ(std::abs(first.effect), 1);
  for (const Difference& difference : explanation->differences) {
    EXPECT_NE(difference.attribute, "span.shelf");
    // Two values of one attribute exclude each other.
    for (const std::string& same : difference.together) {
      EXPECT_FALSE(same.starts_with(difference.attribute + " = ")) << same;
    }
  }
  EXPECT_THAT(explanation->summary, HasSubstr("resource.service.version"));
}

TEST_F(AnalyzerTest, ExplainingLeavesOutWhatWasSelectedByAndNothingElse) {
  const uint64_t at = clock_.Now().ns - 60 * kSecond;
  for (int i = 0; i < 60; ++i) {
    TestSpan page;
    page.service = i % 2 == 0 ? "shop" : "cart";
    page.name = i % 2 == 0 ? "GET /" : "GET /cart";
    page.texts = {{"shelf", i % 2 == 0 ? "left" : "right"}};
    Store({page}, at);
  }
  ExplainRequest request;
  request.selection =
      "{ resource.service.name = \"shop\" && .shelf != \"kind\" }";
  request.start = LastHour().start;
  request.end = LastHour().end;
  const auto explanation = analyzer_.Explain(context_, request);
  ASSERT_TRUE(explanation);
  std::string told;
  for (const Difference& difference : explanation->differences) {
    told += difference.attribute + "\n";
    for (const std::string& same : difference.together) told += same + "\n";
  }
  EXPECT_THAT(told, HasSubstr("name"));
  EXPECT_THAT(told, Not(HasSubstr("resource.service.name")));
  EXPECT_THAT(told, Not(HasSubstr("span.shelf")));
}

TEST_F(AnalyzerTest, RefusesWhatItCannotRead) {
  ExplainRequest request;
  request.start = LastHour().start;
  request.end = LastHour().end;
  request.selection = "{ duration > }";
  EXPECT_THAT(analyzer_.Explain(context_, request).error().message,
              HasSubstr("selection: "));
  request.selection = "{ } | rate()";
  EXPECT_EQ(analyzer_.Explain(context_, request).error().code,
            Code::kInvalidArgument);
  const auto turned = analyzer_.Look(context_, {{5}, {5}});
  EXPECT_EQ(turned.error().code, Code::kInvalidArgument);
  EXPECT_EQ(analyzer_.Series(context_, LastHour(), 7, "", "").error().code,
            Code::kInvalidArgument);
  EXPECT_EQ(analyzer_.AnalyzeTrace(context_, {1, 2}).error().code,
            Code::kNotFound);
}

TEST_F(AnalyzerTest, AllOfTimeIsAWindowToo) {
  StoreSlowPage(clock_.Now().ns - 60 * kSecond);
  const Window all{{0}, clock_.Now()};
  const auto snapshot = analyzer_.Look(context_, all);
  ASSERT_TRUE(snapshot);
  EXPECT_EQ((*snapshot)->spans, 11u);
  // Nothing is before it.
  EXPECT_EQ((*snapshot)->operations[0].trend.previous_count, 0u);
  EXPECT_TRUE(analyzer_.Errors(context_, all));
  EXPECT_LE(analyzer_.Series(context_, all, 0, "", "")->size(), 61u);
  EXPECT_THAT(analyzer_.Series(context_, all, 5, "", "").error().message,
              HasSubstr("at most 10000"));
  EXPECT_TRUE(analyzer_.Look(context_, {{0}, UnixNanos::Max()}));
}

TEST_F(AnalyzerTest, RatesOfPastWindowsAreOfWholeBuckets) {
  StoreSlowPage(kEpoch - 3600 * kSecond);
  // Thirty calls within five minutes; a minute of them is asked for.
  for (int i = 0; i < 30; ++i) StoreSlowPage(kEpoch + 100 * kSecond);
  const Window minute{{kEpoch + 60 * kSecond}, {kEpoch + 120 * kSecond}};
  const auto snapshot = analyzer_.Look(context_, minute);
  ASSERT_TRUE(snapshot);
  EXPECT_DOUBLE_EQ((*snapshot)->window.Minutes(), 5);
  EXPECT_DOUBLE_EQ((*snapshot)->services[0].calls_per_min, 6);
  // Paths come in quarters of an hour: 600 ms each, of which 400 above the
  // target; thirty of them in fifteen minutes.
  for (const OperationReport& report : (*snapshot)->operations) {
    if (report.operation != "GET /") continue;
    EXPECT_NEAR(report.recoverable_nanos_per_hour,
                30 * 100e6 * (400.0 / 600) * 4, 0.03 * 8e9);
  }
}

TEST_F(AnalyzerTest, DaysAreOfWholeHours) {
  StoreSlowPage(kEpoch - 30 * 3600 * kSecond);
  // Before the day that is asked for, in its first hour.
  StoreSlowPage(kEpoch - (24 * 3600 - 60) * kSecond);
  StoreSlowPage(kEpoch + 100 * kSecond);
  const uint64_t end = kEpoch + 1000 * kSecond;
  const Window day{{end - 24 * 3600 * kSecond}, {end}};
  const auto snapshot = analyzer_.Look(context_, day);
  ASSERT_TRUE(snapshot);
  EXPECT_EQ((*snapshot)->spans, 22u);
  // From its beginning to the end of the last one.
  EXPECT_DOUBLE_EQ((*snapshot)->window.Minutes(), 25 * 60);
  EXPECT_EQ((*snapshot)->window.start.ns, kEpoch - 24 * 3600 * kSecond);
}

TEST_F(AnalyzerTest, CurvesAreOfEachServiceAndOfAll) {
  const uint64_t at = clock_.Now().ns - 60 * kSecond;
  StoreSlowPage(at);
  TestSpan other;
  other.service = "other";
  other.name = "job";
  Store({other}, at);
  const auto curves = analyzer_.CurvesOf(context_, LastHour());
  ASSERT_TRUE(curves);
  ASSERT_EQ((*curves)->services.size(), 2u);
  EXPECT_EQ((*curves)->all.size(), 12u);
  const auto count = [](const std::vector<TimePoint>& points) {
    uint64_t sum = 0;
    for (const TimePoint& point : points) sum += point.count;
    return sum;
  };
  // Entries only, where there are any.
  EXPECT_EQ(count((*curves)->all), 1u);
  EXPECT_EQ(count((*curves)->services.at("other")), 1u);
  for (const auto& [service, points] : (*curves)->services) {
    const auto alone = analyzer_.Series(context_, LastHour(), 0, service, "");
    ASSERT_TRUE(alone);
    EXPECT_EQ(count(points), count(*alone));
  }
}

TEST_F(AnalyzerTest, AdviceThatWasCutShortIsNotKept) {
  const uint64_t at = clock_.Now().ns - 60 * kSecond;
  for (int i = 0; i < 30; ++i) StoreSlowPage(at);
  BottleneckRequest request;
  request.window = LastHour();
  ASSERT_TRUE(analyzer_.Look(context_, request.window));
  std::stop_source client;
  RequestContext gone;
  gone.stop = client.get_token();
  client.request_stop();
  (void)analyzer_.Bottlenecks(gone, request);
  const auto list = analyzer_.Bottlenecks(context_, request);
  ASSERT_TRUE(list);
  EXPECT_FALSE(list->bottlenecks[0].recommendations.empty());
}

TEST_F(AnalyzerTest, TracesAreAnalysed) {
  StoreSlowPage(clock_.Now().ns - 60 * kSecond);
  const auto report = analyzer_.AnalyzeTrace(context_, {7, 1});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->span_count, 11u);
  EXPECT_EQ(report->repeated.size(), 1u);
}

}  // namespace
}  // namespace khtrace::analysis
