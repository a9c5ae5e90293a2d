// SPDX-License-Identifier: Apache-2.0
#include "query/series.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "traceql/parser.h"

namespace khtrace::query {
namespace {

using traceql::BinaryOp;
using traceql::MetricsExpr;
using traceql::MetricsOp;
using traceql::Static;

const double kNone = std::nan("");

Label Text(const std::string& key, const std::string& value) {
  return {key, Static(value)};
}

Series Of(std::vector<Label> labels, std::vector<double> values) {
  Series series;
  series.labels = std::move(labels);
  series.values = std::move(values);
  return series;
}

void AddExemplar(size_t interval, double value, Series* series) {
  Exemplar exemplar;
  exemplar.labels = series->labels;
  exemplar.labels.push_back(Text("trace:id", "t"));
  exemplar.interval = interval;
  exemplar.value = value;
  series->exemplars.push_back(exemplar);
}

Operand All(std::vector<Series> series) {
  return {.constant = false, .number = 0, .series = std::move(series)};
}

Operand Constant(double number) {
  return {.constant = true, .number = number, .series = {}};
}

// "a="x" : 1 2 -", a line a series; "@interval=value" for exemplars.
std::string Shown(const std::vector<Series>& all) {
  std::string out;
  const auto labels = [](const std::vector<Label>& list) {
    std::string text;
    for (const Label& l : list) {
      text += l.key + "=" + traceql::ToString(l.value) + " ";
    }
    return text;
  };
  for (const Series& series : all) {
    out += labels(series.labels) + ":";
    for (const double v : series.values) {
      out += std::isnan(v) ? " -" : fmt::format(" {}", v);
    }
    for (const Exemplar& e : series.exemplars) {
      out += fmt::format(" @{}={} {}", e.interval, e.value, labels(e.labels));
      out.pop_back();
    }
    out += "\n";
  }
  return out;
}

// The second stages of "{ } | rate() STAGES".
std::vector<traceql::SecondStage> Stages(const std::string& text) {
  const auto query = traceql::ParseQuery("{ } | rate() " + text);
  if (!query) {
    ADD_FAILURE() << query.error().message;
    return {};
  }
  return std::get<MetricsExpr>(query->root).stages;
}

std::string After(const std::string& stages, std::vector<Series> series) {
  const Status status = ApplyStages(Stages(stages), &series);
  return status ? Shown(series) : status.error().message;
}

TEST(PowerBucket, HoldsValuesUpToItsPowerOfTwo) {
  EXPECT_EQ(PowerBucketOf(2), 1);
  EXPECT_EQ(PowerBucketOf(3), 2);
  EXPECT_EQ(PowerBucketOf(4), 2);
  EXPECT_EQ(PowerBucketOf(100'000'000), 27);
  EXPECT_EQ(PowerBucketOf(UINT64_MAX), 64);
  EXPECT_EQ(BoundOf(27, 1e9), 0.134217728);
  EXPECT_EQ(BoundOf(3, 1), 8);
}

TEST(Quantile, InterpolatesInTheLogarithm) {
  const PowerBuckets buckets = {{24, 1}, {25, 2}, {26, 1}};
  EXPECT_EQ(QuantileOf(buckets, 0.25, 1e9), 0.016777216);
  EXPECT_NEAR(QuantileOf(buckets, 0.5, 1e9), 0.02372656, 1e-8);
  EXPECT_EQ(QuantileOf(buckets, 0.75, 1e9), 0.033554432);
  EXPECT_EQ(QuantileOf(buckets, 0.9, 1e9), 0.067108864);
  EXPECT_EQ(QuantileOf(buckets, 0, 1e9), 0.016777216);
  EXPECT_EQ(QuantileOf(buckets, 1, 1e9), 0.067108864);
}

TEST(Quantile, FirstBucketBeginsAtHalfItsBound) {
  EXPECT_EQ(QuantileOf({{4, 2}}, 0.5, 1), std::exp2(3.5));
}

TEST(Quantile, InterpolatesFromThePreviousBucketThatIsNotEmpty) {
  // k = 4, 2 before it, 4 in it: halfway from 2^3 to 2^9.
  EXPECT_EQ(QuantileOf({{3, 2}, {9, 4}}, 0.6, 1), std::exp2(6));
}

TEST(Quantile, OfNothingIsZero) {
  EXPECT_EQ(QuantileOf({}, 0.5, 1), 0);
  EXPECT_EQ(QuantileOf({{5, 0}}, 0.5, 1), 0);
}

TEST(Labels, UngroupedSeriesAreNamedByTheirFunction) {
  EXPECT_EQ(UngroupedLabels(MetricsOp::kRate),
            std::vector<Label>{Text("__name__", "rate")});
  EXPECT_EQ(UngroupedLabels(MetricsOp::kMinOverTime),
            std::vector<Label>{Text("__name__", "min_over_time")});
  EXPECT_TRUE(UngroupedLabels(MetricsOp::kQuantileOverTime).empty());
  EXPECT_TRUE(UngroupedLabels(MetricsOp::kHistogramOverTime).empty());
}

TEST(Labels, NilIsDroppedUnlessAllAreNil) {
  const Label a = Text("a", "x");
  const Label nil_a = {"a", {}};
  const Label nil_b = {"b", {}};
  EXPECT_EQ(GroupedLabels({a, nil_b}), std::vector<Label>{a});
  EXPECT_EQ(GroupedLabels({nil_b, a}), std::vector<Label>{a});
  EXPECT_EQ(GroupedLabels({nil_a, nil_b}), std::vector<Label>{nil_a});
}

TEST(TopK, RanksEachInterval) {
  const std::vector<Series> three = {Of({Text("a", "x")}, {1, 9, kNone}),
                                     Of({Text("a", "y")}, {2, 5, 1}),
                                     Of({Text("a", "z")}, {3, 1, kNone})};
  EXPECT_EQ(After("| topk(1)", three),
            "a=\"x\" : - 9 -\na=\"y\" : - - 1\na=\"z\" : 3 - -\n");
  EXPECT_EQ(After("| bottomk(1)", three),
            "a=\"x\" : 1 - -\na=\"y\" : - - 1\na=\"z\" : - 1 -\n");
}

TEST(TopK, TiesGoToTheFirstLabelsAndForBottomkToTheLast) {
  const std::vector<Series> equal = {Of({Text("a", "z")}, {0}),
                                     Of({Text("a", "x")}, {0}),
                                     Of({Text("a", "y")}, {0})};
  EXPECT_EQ(After("| topk(1)", equal), "a=\"x\" : 0\n");
  EXPECT_EQ(After("| bottomk(2)", equal), "a=\"z\" : 0\na=\"y\" : 0\n");
}

TEST(TopK, LeavesAsManySeriesAsItsLimitUntouched) {
  const std::vector<Series> two = {Of({Text("a", "x")}, {0, 1}),
                                   Of({Text("a", "y")}, {0, 0})};
  EXPECT_EQ(After("| topk(2)", two), "a=\"x\" : 0 1\na=\"y\" : 0 0\n");
}

TEST(SampleFilter, DropsSamplesSeriesAndExemplars) {
  Series x = Of({Text("a", "x")}, {1, 3});
  AddExemplar(0, 1, &x);
  AddExemplar(1, 3, &x);
  const std::vector<Series> series = {x, Of({Text("a", "y")}, {2, kNone})};
  EXPECT_EQ(After("> 2", series),
            "a=\"x\" : - 3 @1=3 a=\"x\" trace:id=\"t\"\n");
  EXPECT_EQ(After("!= 3 <= 1", series),
            "a=\"x\" : 1 - @0=1 a=\"x\" trace:id=\"t\"\n");
}

TEST(SampleFilter, ConstantsFoldAsIntsAndDurationsAreSeconds) {
  const std::vector<Series> series = {Of({Text("a", "x")}, {1, 3, 4})};
  EXPECT_EQ(After("> 7 / 2", series), "a=\"x\" : - - 4\n");
  EXPECT_EQ(After("= 7 / 2", series), "a=\"x\" : - 3 -\n");
  EXPECT_EQ(After("<= 3s", series), "a=\"x\" : 1 3 -\n");
  EXPECT_EQ(After("> 1 / 0", series), "division by zero in 1 / 0");
}

TEST(Math, JoinsEqualLabelsAndDropsTheRest) {
  const Operand left =
      All({Of({Text("a", "x")}, {6, 4, 5}), Of({Text("a", "y")}, {1, 1, 1})});
  const Operand right = All(
      {Of({Text("a", "z")}, {1, 1, 1}), Of({Text("a", "x")}, {2, 0, kNone})});
  EXPECT_EQ(Shown(Calculate(BinaryOp::kDiv, left, right)), "a=\"x\" : 3 - -\n");
}

TEST(Math, LabelsJoinInAnyOrderAndTypesDiffer) {
  const Operand left = All({Of({Text("a", "x"), Text("b", "1")}, {1})});
  const Operand swapped = All({Of({Text("b", "1"), Text("a", "x")}, {2})});
  const Operand typed =
      All({Of({Text("a", "x"), {"b", Static(int64_t{1})}}, {2})});
  EXPECT_EQ(Shown(Calculate(BinaryOp::kAdd, left, swapped)),
            "a=\"x\" b=\"1\" : 3\n");
  EXPECT_EQ(Shown(Calculate(BinaryOp::kAdd, left, typed)), "");
}

TEST(Math, SeriesWithoutLabelsIsThePartnerOfAll) {
  const Operand total = All({Of({Text("__name__", "rate")}, {10})});
  const Operand each =
      All({Of({Text("a", "x")}, {2}), Of({Text("a", "y")}, {5})});
  EXPECT_EQ(Shown(Calculate(BinaryOp::kDiv, each, total)),
            "a=\"x\" : 0.2\na=\"y\" : 0.5\n");
  EXPECT_EQ(Shown(Calculate(BinaryOp::kDiv, total, each)),
            "a=\"x\" : 5\na=\"y\" : 2\n");
}

TEST(Math, NamesWhatBothUngroupedSidesMake) {
  const Operand rate = All({Of({Text("__name__", "rate")}, {6})});
  const Operand count = All({Of({Text("__name__", "count_over_time")}, {3})});
  const Operand product = All(Calculate(BinaryOp::kMul, rate, count));
  EXPECT_EQ(Shown(product.series),
            "__name__=\"(rate * count_over_time)\" : 18\n");
  EXPECT_EQ(Shown(Calculate(BinaryOp::kSub, product, rate)),
            "__name__=\"((rate * count_over_time) - rate)\" : 12\n");
}

TEST(Math, ConstantKeepsLabelsAndScalesExemplars) {
  Series rate = Of({Text("__name__", "rate")}, {6, 2, kNone});
  AddExemplar(1, 2, &rate);
  EXPECT_EQ(Shown(Calculate(BinaryOp::kMul, All({rate}), Constant(10))),
            "__name__=\"rate\" : 60 20 - @1=20 __name__=\"rate\" "
            "trace:id=\"t\"\n");
  EXPECT_EQ(Shown(Calculate(BinaryOp::kSub, Constant(1), All({rate}))),
            "__name__=\"rate\" : -5 -1 - @1=-1 __name__=\"rate\" "
            "trace:id=\"t\"\n");
  EXPECT_EQ(Shown(Calculate(BinaryOp::kDiv, All({rate}), Constant(0))), "");
}

TEST(Math, ResultShowsTheLeftSidesExemplarsAtItsOwnSamples) {
  Series errors = Of({Text("a", "x")}, {1, 2});
  AddExemplar(0, 1, &errors);
  AddExemplar(1, 2, &errors);
  const Operand right = All({Of({Text("__name__", "rate")}, {0, 4})});
  EXPECT_EQ(Shown(Calculate(BinaryOp::kDiv, All({errors}), right)),
            "a=\"x\" : - 0.5 @1=0.5 a=\"x\" trace:id=\"t\"\n");
}

TEST(Finish, OrdersByNumberOfLabelsThenKeysAndValues) {
  MetricsResult result;
  const Label ten = {"a", Static(int64_t{10})};
  const Label nine = {"a", Static(int64_t{9})};
  result.series = {Of({Text("a", "x"), Text("b", "y")}, {1}),
                   Of({Text("b", "x")}, {2}), Of({ten}, {3}), Of({nine}, {4})};
  Finish(1000, &result);
  EXPECT_EQ(Shown(result.series),
            "a=9 : 4\na=10 : 3\nb=\"x\" : 2\na=\"x\" b=\"y\" : 1\n");
  EXPECT_FALSE(result.partial);
}

TEST(Finish, CutsAtTheLimitAndSaysSo) {
  MetricsResult result;
  result.series = {Of({Text("a", "y")}, {1}), Of({Text("a", "x")}, {2})};
  MetricsResult all = result;
  Finish(1, &result);
  EXPECT_EQ(Shown(result.series), "a=\"x\" : 2\n");
  EXPECT_TRUE(result.partial);
  EXPECT_EQ(result.message,
            "Response exceeds maximum series limit of 1, a partial response is "
            "returned. Warning: the accuracy of each individual value is not "
            "guaranteed.");
  Finish(0, &all);
  EXPECT_EQ(all.series.size(), 2u);
  EXPECT_FALSE(all.partial);
}

}  // namespace
}  // namespace khtrace::query
