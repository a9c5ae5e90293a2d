// SPDX-License-Identifier: Apache-2.0
#include "query/sampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/span_batch_builder.h"
#include "query/explain.h"
#include "query/metrics.h"
#include "storage/batch_frame.h"
#include "storage/memory/memory_store.h"
#include "traceql/parser.h"

namespace khtrace::query {
namespace {

using ::testing::HasSubstr;
using ::testing::NanSensitiveDoubleEq;
using ::testing::Pointwise;
using Adaptive = Sampling::Adaptive;

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kSpansOfTrace = 8;

Sampling SamplingOfText(const std::string& text) {
  const traceql::Query query = *traceql::ParseQuery(text);
  const auto& root = std::get<traceql::MetricsExpr>(query.root);
  const auto& function = std::get<traceql::MetricsQuery>(root.node);
  return SamplingOf(query, function.pipeline);
}

Sampling Shares(double traces, double spans) {
  Sampling sampling;
  sampling.traces = traces;
  sampling.spans = spans;
  return sampling;
}

TEST(Sampling, HintsSayHowMuchOfWhat) {
  const std::map<std::string, Sampling> cases = {
      {"", {}},
      {"sample=0.1", Shares(1, 0.1)},
      {"span_sample=0.1", Shares(1, 0.1)},
      {"trace_sample=0.1", Shares(0.1, 1)},
      {"trace_sample=0.5, span_sample=0.25", Shares(0.5, 0.25)},
      {"trace_sample=0.5, sample=0.25", Shares(0.5, 0.25)},
      {"span_sample=0.5, sample=0.25", Shares(1, 0.25)},
  };
  for (const auto& [hints, expected] : cases) {
    std::string text = "{ .a = 1 } | by(name) | rate()";
    if (!hints.empty()) text += " with(" + hints + ")";
    EXPECT_EQ(SamplingOfText(text), expected) << text;
  }
}

TEST(Sampling, WhatHasNoShareIsEverything) {
  for (const char* hints :
       {"sample=1", "sample=1.0", "sample=0", "sample=0.0", "sample=2.5",
        "sample=false", "sample=\"0.1\"", "sample=10ms", "span_sample=1",
        "trace_sample=7", "sampled=0.5", "trace_sample=false"}) {
    const std::string text = std::string("{ } | rate() with(") + hints + ")";
    EXPECT_TRUE(SamplingOfText(text).everything()) << text;
  }
}

TEST(Sampling, WhatNeedsWholeTracesTakesTraces) {
  for (const char* pipeline :
       {"{ .a } >> { .b }", "{ .a } && { .b }", "{ } | count() > 2",
        "{ .a } || ({ .b } > { .c })"}) {
    const std::string text = pipeline;
    EXPECT_EQ(SamplingOfText(text + " | rate() with(sample=0.5)"),
              Shares(0.5, 1))
        << text;
    EXPECT_EQ(SamplingOfText(text + " | rate() with(sample=true)").adaptive,
              Adaptive::kTraces);
    // Spans can be taken only of what is left.
    const Sampling spans =
        SamplingOfText(text + " | rate() with(span_sample=0.5)");
    EXPECT_TRUE(spans.spans_last) << text;
    EXPECT_EQ(spans.spans, 0.5);
  }
  for (const char* pipeline :
       {"{ .a } || { .b }", "{ .a } | { .b } | by(.c) | coalesce()",
        "{ parent.a = 1 } | select(.b)"}) {
    const std::string text = pipeline;
    EXPECT_EQ(SamplingOfText(text + " | rate() with(sample=true)").adaptive,
              Adaptive::kSpans)
        << text;
  }
}

TEST(SampleRange, PartsMeetWithoutGapOrOverlap) {
  const SampleRange all;
  EXPECT_TRUE(all.everything());
  EXPECT_EQ(SampleRange::Of(0, 1).last, UINT64_MAX);
  const SampleRange first = SampleRange::Of(0, 1.0 / 3);
  const SampleRange second = SampleRange::Of(1.0 / 3, 0.7);
  EXPECT_EQ(second.first, first.last + 1);
  EXPECT_EQ(SampleRange::Of(0.7, 1).first, second.last + 1);
  EXPECT_TRUE(first.Has(0));
  EXPECT_FALSE(first.Has(second.first));
  EXPECT_TRUE(second.Has(second.last));
  EXPECT_FALSE(second.Has(UINT64_MAX));
  // However small it is, it is not everything.
  EXPECT_EQ(SampleRange::Of(0, 1e-30).last, 0u);
}

// A store whose traces all lie in one unit, as those of a part do.
class OneUnit : public storage::memory::MemoryStore {
 public:
  void Keep(model::SpanBatchPtr batch) { batch_ = std::move(batch); }

  Result<storage::AttributeKeys> Keys(const RequestContext&, UnixNanos,
                                      UnixNanos) override {
    storage::AttributeKeys keys;
    keys.span.insert("n");
    keys.resource.insert("service.name");
    return keys;
  }

  Result<std::unique_ptr<storage::FrameScan>> Scan(
      const RequestContext&, const storage::FrameRequest& request) override {
    std::unique_ptr<storage::FrameScan> scan =
        std::make_unique<UnitScan>(batch_, request);
    return scan;
  }

 private:
  class UnitScan : public storage::FrameScan {
   public:
    UnitScan(model::SpanBatchPtr batch, const storage::FrameRequest& request)
        : batch_(std::move(batch)),
          request_(std::make_shared<storage::FrameRequest>(request)) {}

    size_t unit_count() const override { return 1; }
    UnixNanos newest_start(size_t) const override { return UnixNanos::Max(); }
    std::string identity(size_t) const override { return "unit"; }
    Result<std::unique_ptr<storage::TraceFrame>> Open(const RequestContext&,
                                                      size_t) const override {
      std::vector<model::RowRef> rows;
      for (model::RowIndex row = 0; row < batch_->row_count(); ++row) {
        rows.push_back({batch_.get(), row});
      }
      return storage::MakeBatchFrame(request_, std::move(rows), {batch_});
    }
    void NoteLoss(size_t, const Error&) const override {}

   private:
    model::SpanBatchPtr batch_;
    std::shared_ptr<const storage::FrameRequest> request_;
  };

  model::SpanBatchPtr batch_;
};

// `traces` traces of kSpansOfTrace spans in half a minute, the first span of
// each the parent of the others: n of 0 … 9, a quarter of them with an error.
class SampledMetrics : public ::testing::Test {
 protected:
  static constexpr uint64_t kTraces = 1500;

  static void Fill(uint64_t seed, OneUnit* store) {
    model::SpanBatchBuilder builder;
    for (uint64_t trace = 1; trace <= kTraces; ++trace) {
      builder.AddResource();
      builder.AddResourceAttribute(
          "service.name",
          model::AttrValue::String(trace % 3 == 0 ? "few" : "many"));
      builder.AddScope("", "");
      for (uint64_t span = 1; span <= kSpansOfTrace; ++span) {
        model::SpanBatchBuilder::SpanFields fields;
        fields.trace_id = {seed, trace};
        fields.span_id = {span};
        fields.parent_span_id = {span == 1 ? 0u : 1u};
        fields.name = span == 1 ? "root" : "leaf";
        fields.start = {kSecond + trace * 20'000'000 + span * 1000};
        fields.end = {fields.start.ns + span * 1'000'000};
        fields.status = span % 3 == 0 ? model::StatusCode::kError
                                      : model::StatusCode::kUnset;
        builder.AddSpan(fields);
        builder.AddSpanAttribute(
            "n", model::AttrValue::Int(static_cast<int64_t>(trace % 10)));
      }
    }
    store->Keep(std::make_shared<const model::SpanBatch>(builder.Build()));
  }

  static MetricsRequest Request(const traceql::Query& query) {
    MetricsRequest request;
    request.query = &query;
    request.end = {40 * kSecond};
    request.step_nanos = 10 * kSecond;
    return request;
  }
  static MetricsResult Run(OneUnit& store, const std::string& text,
                           MetricsCache* cache = nullptr) {
    const traceql::Query query = *traceql::ParseQuery(text);
    MetricsRequest request = Request(query);
    request.cache = cache;
    auto result = RunMetrics(store, {}, request);
    EXPECT_TRUE(result) << text;
    return result ? *std::move(result) : MetricsResult();
  }
  // Of all samples.
  static double Total(const MetricsResult& result) {
    double total = 0;
    for (const Series& series : result.series) {
      for (const double value : series.values) {
        if (!std::isnan(value)) total += value;
      }
    }
    return total;
  }
};

// The estimate's relative error, of one store after the other: each within five
// times `deviation` of nothing, their mean within four times that of a mean.
TEST_F(SampledMetrics, EstimatesAreRightOnAverage) {
  constexpr size_t kStores = 25;
  constexpr double kSpans = kTraces * kSpansOfTrace;
  const auto deviation = [](double share, double count) {
    return std::sqrt((1 - share) / (share * count));
  };
  struct Case {
    std::string query;
    std::string hint;
    double deviation;
  };
  // Of sums, the values' own spread comes on top.
  const std::vector<Case> cases = {
      {"{ } | count_over_time()", "span_sample=0.1", deviation(0.1, kSpans)},
      {"{ } | count_over_time()", "sample=0.3", deviation(0.3, kSpans)},
      {"{ } | count_over_time()", "trace_sample=0.2", deviation(0.2, kTraces)},
      {"{ } | rate() by (name)", "trace_sample=0.5, span_sample=0.2",
       deviation(0.1, kTraces)},
      {"{ } | sum_over_time(.n)", "span_sample=0.1",
       1.2 * deviation(0.1, kSpans)},
      {"{ } | histogram_over_time(duration)", "span_sample=0.1",
       deviation(0.1, kSpans)},
      {"{ name = `root` } > { status = error } | count_over_time()",
       "sample=0.2", deviation(0.2, kTraces)},
      {"{ name = `root` } > { status = error } | count_over_time()",
       "span_sample=0.2", deviation(0.2, kTraces * 2)},
      {"{ name =~ `.*` } | count_over_time()", "sample=true",
       deviation(0.1, kSpans)},
      {"{ name =~ `.*` && status = error } | count_over_time()", "sample=true",
       deviation(0.25, kSpans / 4)},
      {"{ name = `root` } > { .n = 0 } | count_over_time()", "sample=true",
       deviation(0.5, kTraces / 10.0)},
      {"{ } >> { } | count_over_time()", "sample=true",
       deviation(0.15, kTraces)},
      {"{ } | compare({ status = error })", "span_sample=0.2",
       1.5 * deviation(0.2, kSpans)},
  };
  std::vector<double> errors(cases.size());
  for (uint64_t seed = 1; seed <= kStores; ++seed) {
    OneUnit store;
    Fill(seed, &store);
    for (size_t i = 0; i < cases.size(); ++i) {
      const Case& c = cases[i];
      const double exact = Total(Run(store, c.query));
      const double estimate =
          Total(Run(store, c.query + " with(" + c.hint + ")"));
      const double error = estimate / exact - 1;
      EXPECT_LT(std::abs(error), 5 * c.deviation) << c.query << c.hint;
      errors[i] += error / kStores;
    }
  }
  for (size_t i = 0; i < cases.size(); ++i) {
    EXPECT_LT(std::abs(errors[i]), 4 * cases[i].deviation / std::sqrt(kStores))
        << cases[i].query << " " << cases[i].hint;
  }
}

TEST_F(SampledMetrics, ShareOfOneIsExact) {
  OneUnit store;
  Fill(1, &store);
  for (const char* query :
       {"{ } | rate() by (name)", "{ } | quantile_over_time(duration, 0.3)",
        "{ .n < 5 } >> { } | sum_over_time(.n)"}) {
    const MetricsResult exact = Run(store, query);
    const MetricsResult sampled =
        Run(store, std::string(query) + " with(sample=1.0, trace_sample=1)");
    ASSERT_EQ(exact.series.size(), sampled.series.size());
    for (size_t i = 0; i < exact.series.size(); ++i) {
      EXPECT_EQ(exact.series[i].labels, sampled.series[i].labels);
      EXPECT_THAT(sampled.series[i].values,
                  Pointwise(NanSensitiveDoubleEq(), exact.series[i].values));
    }
  }
}

TEST_F(SampledMetrics, AveragesAndExtremesAreThoseOfTheSample) {
  OneUnit store;
  Fill(1, &store);
  const auto first = [&](const char* query) {
    return Run(store, query).series.at(0).values.at(2);
  };
  EXPECT_NEAR(first("{ } | avg_over_time(.n) with(span_sample=0.2)"), 4.5, 0.5);
  EXPECT_EQ(first("{ } | max_over_time(.n) with(span_sample=0.2)"), 9);
  EXPECT_EQ(first("{ } | min_over_time(.n) with(sample=true)"), 0);
  const double exact = first("{ } | quantile_over_time(duration, 0.5)");
  const double near =
      first("{ } | quantile_over_time(duration, 0.5) with(span_sample=0.2)");
  EXPECT_NEAR(near / exact, 1, 0.1);
}

TEST_F(SampledMetrics, OfFewEverythingIsLookedAt) {
  OneUnit store;
  Fill(1, &store);
  // Less than a tenth of all match.
  for (const char* query :
       {"{ .n = 3 && name = `root` } | count_over_time()",
        "{ .n = 3 } > { status = error } | count_over_time()"}) {
    const double exact = Total(Run(store, query));
    const std::string hinted = std::string(query) + " with(sample=true)";
    if (SamplingOfText(hinted).adaptive == Adaptive::kSpans) {
      EXPECT_EQ(Total(Run(store, hinted)), exact) << query;
    }
  }
}

TEST_F(SampledMetrics, WhereItSavesNothingEverythingIsLookedAt) {
  OneUnit store;
  Fill(1, &store);
  EXPECT_EQ(Total(Run(store,
                      "{ kind = unspecified && !(status = error) } | "
                      "count_over_time() by (name) with(sample=true)")),
            kTraces * 6);
  const traceql::Query query = *traceql::ParseQuery(
      "{ status = error } | rate() with(span_sample=true)");
  const auto explained = ExplainMetrics(store, {}, Request(query), false);
  ASSERT_TRUE(explained);
  EXPECT_THAT(ToText(*explained),
              HasSubstr("sample everything: to choose spans would cost as"));
  EXPECT_NE(Total(Run(store,
                      "{ name =~ `.*` } | count_over_time() "
                      "with(sample=true)")),
            kTraces * kSpansOfTrace);
}

TEST_F(SampledMetrics, SmallerSampleIsPartOfLargerOne) {
  OneUnit store;
  Fill(1, &store);
  const auto traces = [&](const char* hint) {
    const MetricsResult result =
        Run(store, std::string("{ name = `root` } | count_over_time() by "
                               "(trace:id) with(") +
                       hint + ")");
    std::set<std::string> ids;
    for (const Series& series : result.series) {
      ids.insert(traceql::ToString(series.labels[0].value));
    }
    return ids;
  };
  const auto few = traces("trace_sample=0.05");
  const auto more = traces("trace_sample=0.2");
  EXPECT_NEAR(static_cast<double>(few.size()), 75, 45);
  EXPECT_GT(more.size(), few.size());
  EXPECT_TRUE(std::includes(more.begin(), more.end(), few.begin(), few.end()));
  EXPECT_EQ(few, traces("trace_sample=0.05"));
}

TEST_F(SampledMetrics, CacheKnowsOneSampleFromAnother) {
  OneUnit store;
  Fill(1, &store);
  MetricsCache cache;
  const std::string query = "{ } | count_over_time()";
  const double exact = Total(Run(store, query, &cache));
  EXPECT_EQ(exact, kTraces * kSpansOfTrace);
  const double sampled =
      Total(Run(store, query + " with(span_sample=0.1)", &cache));
  EXPECT_NE(sampled, exact);
  EXPECT_EQ(Total(Run(store, query, &cache)), exact);
  EXPECT_EQ(Total(Run(store, query + " with(span_sample=0.1)", &cache)),
            sampled);
}

const PlanNode* Find(const PlanNode& node, const std::string& op) {
  if (node.op == op) return &node;
  for (const PlanNode& child : node.children) {
    if (const PlanNode* found = Find(child, op)) return found;
  }
  return nullptr;
}

TEST_F(SampledMetrics, OnlyTheSampleIsEvaluated) {
  OneUnit store;
  Fill(1, &store);
  const traceql::Query query = *traceql::ParseQuery(
      "{ name =~ `l.*` } | count_over_time() with(span_sample=0.1)");
  const auto explained = ExplainMetrics(store, {}, Request(query), true);
  ASSERT_TRUE(explained);
  const PlanNode* sample = Find(explained->physical, "sample");
  ASSERT_NE(sample, nullptr);
  EXPECT_EQ(sample->text,
            "10 % of spans, by trace id and start; each counts 10 times");
  EXPECT_EQ(sample->counts->rows_in, kTraces * kSpansOfTrace);
  EXPECT_NEAR(static_cast<double>(sample->counts->rows_out), 1200, 200);
  const PlanNode* test = Find(explained->physical, "test");
  ASSERT_NE(test, nullptr);
  EXPECT_EQ(test->counts->rows_in, sample->counts->rows_out);
  EXPECT_NE(Find(explained->logical, "sample"), nullptr);
}

TEST_F(SampledMetrics, WhatIsEverywhereIsLookedAtToATenth) {
  OneUnit store;
  Fill(1, &store);
  const traceql::Query query =
      *traceql::ParseQuery("{ } >> { } | count_over_time() with(sample=true)");
  const auto explained = ExplainMetrics(store, {}, Request(query), true);
  ASSERT_TRUE(explained);
  const PlanNode* sample = Find(explained->physical, "sample");
  ASSERT_NE(sample, nullptr);
  EXPECT_THAT(sample->text, HasSubstr("traces, by trace id"));
  EXPECT_LT(sample->counts->rows_out, kTraces * kSpansOfTrace / 3);
  EXPECT_GT(sample->counts->rows_out, kTraces * kSpansOfTrace / 20);
}

}  // namespace
}  // namespace khtrace::query
