// SPDX-License-Identifier: Apache-2.0
#include "alerting/query_measure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "model/span_batch_builder.h"
#include "storage/memory/memory_store.h"

namespace khtrace::alerting {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr UnixNanos kNow{1'767'225'600'000'000'000};

class QueryMeasureTest : public testing::Test {
 protected:
  // `count` server spans of `service`, one trace each, that began `ago`.
  void Store(const std::string& service, std::chrono::nanoseconds ago,
             std::chrono::nanoseconds duration, int count,
             bool failed = false) {
    model::SpanBatchBuilder builder;
    for (int i = 0; i < count; ++i) {
      builder.AddResource();
      builder.AddResourceAttribute("service.name",
                                   model::AttrValue::String(service));
      builder.AddScope("", "");
      model::SpanBatchBuilder::SpanFields fields;
      fields.trace_id = {1, ++spans_};
      fields.span_id = {spans_};
      fields.start = kNow.Minus(ago);
      fields.end = fields.start.Plus(duration);
      fields.name = "GET /cart";
      fields.kind = model::SpanKind::kServer;
      if (failed) fields.status = model::StatusCode::kError;
      builder.AddSpan(fields);
    }
    store_.Write({}, std::make_shared<model::SpanBatch>(builder.Build()),
                 [](Status status) { ASSERT_TRUE(status); });
  }
  std::vector<Measurement> Measure(const Rule& rule) {
    auto all = rule.kind == RuleKind::kObjective
                   ? MeasureObjective(tools_, {}, rule, kNow)
                   : MeasureQuery(tools_, {}, rule, kNow);
    EXPECT_TRUE(all) << all.error().message;
    return *std::move(all);
  }

  storage::memory::MemoryStore store_;
  query::MetricsCache cache_;
  const QueryTools tools_{.reader = store_, .cache = cache_};
  uint64_t spans_ = 0;
};

Rule P95ByService() {
  Rule rule;
  rule.name = "p95";
  rule.kind = RuleKind::kQuery;
  rule.query =
      "{ kind = server } | quantile_over_time(duration, .95) "
      "by (resource.service.name)";
  rule.alert = 0.5;
  rule.critical = 1;
  rule.min_samples = 0;
  return rule;
}

TEST_F(QueryMeasureTest, AnInstanceForEachSeries) {
  Store("cart", seconds(60), milliseconds(800), 30);
  Store("shop", seconds(60), milliseconds(20), 40);
  Store("shop", minutes(10), seconds(20), 40);  // before the window
  const Rule rule = P95ByService();
  const auto all = Measure(rule);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].unit, "s");
  EXPECT_EQ(all[0].count, 30u);
  EXPECT_NEAR(*all[0].value, 0.8, 0.3);
  EXPECT_TRUE(all[0].alert_verdict.breach);
  EXPECT_FALSE(all[1].alert_verdict.breach);
  EXPECT_THAT(all[0].labels, testing::Contains(Labels::value_type(
                                 "resource.service.name", "cart")));
  const std::string example = FindExample(tools_, {}, rule, kNow, all[0]);
  EXPECT_EQ(example.size(), 32u);
}

TEST_F(QueryMeasureTest, FewSpansAreNotEnough) {
  Store("cart", seconds(60), seconds(2), 19);
  Rule rule = P95ByService();
  rule.min_samples = 20;
  EXPECT_EQ(Measure(rule)[0].no_data, "insufficient_data");
  Store("cart", seconds(60), seconds(2), 1);
  const auto all = Measure(rule);
  EXPECT_EQ(all[0].no_data, "");
  EXPECT_EQ(all[0].count, 20u);
  EXPECT_TRUE(all[0].critical_verdict.breach);
}

TEST_F(QueryMeasureTest, CountsOfNothingAreZero) {
  Rule rule = P95ByService();
  rule.query = "{ status = error } | rate()";
  const auto none = Measure(rule);
  ASSERT_EQ(none.size(), 1u);
  EXPECT_EQ(none[0].value, 0);
  EXPECT_TRUE(none[0].alert_verdict.clear);
  rule.query = "{ status = error } | rate() by (resource.service.name)";
  EXPECT_TRUE(Measure(rule).empty());
  const Labels cart = {{"resource.service.name", "cart"}};
  EXPECT_EQ(MeasureMissingSeries(tools_, {}, rule, kNow, cart)->value, 0);
  EXPECT_FALSE(MeasureMissingSeries(tools_, {}, P95ByService(), kNow, cart));
}

TEST_F(QueryMeasureTest, ARatioOfNothingSaysNothing) {
  Rule rule = P95ByService();
  rule.query =
      "({ status = error } | rate() by (resource.service.name)) / "
      "({ } | rate() by (resource.service.name))";
  Store("cart", seconds(60), seconds(1), 6);
  EXPECT_TRUE(Measure(rule).empty());
  const auto missing = [&](const std::string& service) {
    return MeasureMissingSeries(tools_, {}, rule, kNow,
                                {{"resource.service.name", service}});
  };
  EXPECT_EQ(missing("cart")->value, 0);
  EXPECT_FALSE(missing("shop"));
}

TEST_F(QueryMeasureTest, ArithmeticOfTwoFunctionsAndNoSpans) {
  Rule rule = P95ByService();
  rule.query =
      "({ status = error } | count_over_time()) / ({ } | count_over_time())";
  rule.alert = 0.25;
  rule.critical.reset();
  EXPECT_TRUE(Measure(rule).empty());
  Store("cart", seconds(60), seconds(1), 6);
  Store("cart", seconds(60), seconds(1), 4, /*failed=*/true);
  const auto all = Measure(rule);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_DOUBLE_EQ(*all[0].value, 0.4);
  EXPECT_TRUE(all[0].alert_verdict.breach);
}

Rule Objective999() {
  Rule rule;
  rule.name = "slo";
  rule.kind = RuleKind::kObjective;
  rule.objective.threshold = milliseconds(500);
  return rule;
}

TEST_F(QueryMeasureTest, BurnRateNeedsBothWindowsOfAPair) {
  // 2 % bad within the last five minutes and the last hour: 20 times too fast.
  for (int i = 0; i < 12; ++i) {
    Store("cart", minutes(5 * i + 2), milliseconds(10), 98);
    Store("cart", minutes(5 * i + 2), seconds(1), 2);
  }
  const auto hour = Measure(Objective999());
  ASSERT_EQ(hour.size(), 1u);
  EXPECT_NEAR(*hour[0].value, 20, 0.01);
  EXPECT_TRUE(hour[0].critical_verdict.breach);
  EXPECT_TRUE(hour[0].alert_verdict.breach);
  EXPECT_THAT(hour[0].reason,
              HasSubstr("2 % of 1200 calls in an hour were bad"));
  EXPECT_EQ(hour[0].count, 1200u);
  EXPECT_EQ(FindExample(tools_, {}, Objective999(), kNow, hour[0]).size(), 32u);
  // Six hours of good calls before: the long window of the slow pair is calm.
  for (int i = 13; i < 72; ++i) {
    Store("cart", minutes(5 * i + 2), milliseconds(10), 100);
  }
  const auto calm = Measure(Objective999());
  EXPECT_TRUE(calm[0].critical_verdict.breach);
  Store("cart", minutes(1), milliseconds(10), 1000);
  EXPECT_FALSE(Measure(Objective999())[0].critical_verdict.breach);
}

TEST_F(QueryMeasureTest, ASlowBurnIsAnAlert) {
  // 1 % bad over six hours: 10 times too fast.
  for (int i = 0; i < 72; ++i) {
    Store("cart", minutes(5 * i + 2), milliseconds(10), 99);
    Store("cart", minutes(5 * i + 2), milliseconds(10), 1, /*failed=*/true);
  }
  const auto all = Measure(Objective999());
  EXPECT_NEAR(*all[0].value, 10, 0.01);
  EXPECT_TRUE(all[0].alert_verdict.breach);
  EXPECT_FALSE(all[0].critical_verdict.breach);
  EXPECT_EQ(all[0].alert, 6);
}

TEST_F(QueryMeasureTest, AnObjectiveWithoutCallsSaysNothing) {
  EXPECT_TRUE(Measure(Objective999()).empty());
  Store("cart", hours(2), milliseconds(10), 100);
  const auto all = Measure(Objective999());
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].no_data, "no_spans");
}

}  // namespace
}  // namespace khtrace::alerting
