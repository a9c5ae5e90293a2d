// SPDX-License-Identifier: Apache-2.0
#include "api/tempo_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "api/testing.h"

namespace khtrace::api {
namespace {

using std::chrono::nanoseconds;
using traceql::Static;

constexpr UnixNanos kNow{kTestEpoch + 600 * kSecond};
constexpr std::string_view kRate = "q=%7B%7D%20%7C%20rate()";

Result<TempoMetrics> Read(std::string_view more) {
  return ReadTempoMetrics(
      net::QueryParams::Parse(std::string(kRate) + std::string(more)), kNow);
}
std::string Refusal(std::string_view more) {
  auto metrics = Read(more);
  return metrics ? "accepted" : metrics.error().message;
}

TEST(TempoMetricsParams, DefaultIsTheLastHour) {
  const auto metrics = Read("");
  ASSERT_TRUE(metrics) << metrics.error().message;
  EXPECT_EQ(metrics->start, kNow.Minus(std::chrono::hours(1)));
  EXPECT_EQ(metrics->end, kNow);
  EXPECT_EQ(metrics->step_nanos, 0u);
  EXPECT_EQ(metrics->max_exemplars, 100u);
  EXPECT_EQ(metrics->max_series, 1000u);
  EXPECT_FALSE(metrics->instant);
  EXPECT_EQ(Read("&since=5m")->start, kNow.Minus(std::chrono::minutes(5)));
}

TEST(TempoMetricsParams, EndIsNoLaterThanNow) {
  const auto metrics = Read("&start=1767225600&end=1767315600");
  ASSERT_TRUE(metrics) << metrics.error().message;
  EXPECT_EQ(metrics->start.ns, kTestEpoch);
  EXPECT_EQ(metrics->end, kNow);
  EXPECT_EQ(Read("&start=1767315600&end=1767315660")->end.ns,
            1767315660 * kSecond);
}

TEST(TempoMetricsParams, LimitsAreCapped) {
  const auto metrics = Read("&exemplars=1000&maxSeries=7&instant=true&step=15");
  ASSERT_TRUE(metrics) << metrics.error().message;
  EXPECT_EQ(metrics->max_exemplars, 100u);
  EXPECT_EQ(metrics->max_series, 7u);
  EXPECT_TRUE(metrics->instant);
  EXPECT_EQ(metrics->step_nanos, 15 * kSecond);
  EXPECT_EQ(Read("&maxSeries=9999")->max_series, 1000u);
  EXPECT_EQ(Read("&exemplars=0")->max_exemplars, 0u);
}

TEST(TempoMetricsParams, RefusalsAreTempos) {
  const auto bare = [](std::string_view query) {
    return ReadTempoMetrics(net::QueryParams::Parse(query), kNow)
        .error()
        .message;
  };
  EXPECT_EQ(bare(""), "parse error : syntax error: unexpected $end");
  EXPECT_EQ(bare("q=%7B%7D"), "not a metrics query");
  EXPECT_THAT(bare("query=%7B%7D%20%7C%20rat()"),
              testing::StartsWith("invalid TraceQL query: parse error at "));
  EXPECT_EQ(Refusal("&start=20&end=20"), "end must be greater than start");
  EXPECT_EQ(Refusal("&start=1767000000&end=1767225600"),
            "metrics query time range exceeds the maximum allowed duration of "
            "24h0m0s");
  EXPECT_EQ(Refusal("&step=abc"), "cannot parse \"abc\" to a valid duration");
  EXPECT_EQ(Refusal("&step=-5"), "cannot parse \"-5\": step must be positive");
  EXPECT_EQ(Refusal("&step=0s"), "cannot parse \"0s\": step must be positive");
  EXPECT_EQ(Refusal("&start=soon"),
            "invalid start: 'soon' is no time: expected Unix seconds, "
            "nanoseconds or RFC 3339");
  EXPECT_EQ(Refusal("&exemplars=-1"),
            "invalid exemplars: -1 is outside 0 to 4294967295");
}

TEST(TempoMetricsParams, TimesAreSecondsNanosecondsOrRfc3339) {
  const auto time = [](std::string_view text) {
    auto parsed = ParseTempoTime(text);
    return parsed ? parsed->ns : 0;
  };
  EXPECT_EQ(time("1767225600"), kTestEpoch);
  EXPECT_EQ(time("1767225600.25"), kTestEpoch + kSecond / 4);
  EXPECT_EQ(time("1767225600000000001"), kTestEpoch + 1);
  EXPECT_EQ(time("2026-01-01T00:00:00Z"), kTestEpoch);
  EXPECT_EQ(time("1e9"), 1'000'000'000 * kSecond);
  for (const char* bad : {"", "-1", "nan", "inf", "1e300", "soon", "1 "}) {
    EXPECT_EQ(time(bad), 0u) << bad;
  }
}

TEST(TempoMetricsParams, StepsAreSecondsOrDurations) {
  const auto step = [](std::string_view text) {
    auto parsed = ParseTempoStep(text);
    return parsed ? parsed->count() : 0;
  };
  EXPECT_EQ(step("15"), 15'000'000'000);
  EXPECT_EQ(step("0.5"), 500'000'000);
  EXPECT_EQ(step("1m30s"), 90'000'000'000);
  for (const char* bad : {"", "0", "nan", "inf", "1e300", "-1e300", "1x"}) {
    EXPECT_EQ(step(bad), 0) << bad;
  }
}

query::MetricsResult SampleResult() {
  query::MetricsResult result;
  result.axis.start_ns = 1795329760 * kSecond;
  result.axis.step_ns = 20 * kSecond;
  result.axis.intervals = 3;
  query::Series series;
  series.labels = {{"name", Static(std::string("b"))}, {"p", Static(0.5)}};
  series.values = {0.25, 0, std::nan("")};
  series.exemplars.push_back(
      {{{"trace:id", Static(std::string("4bf9"))}}, 0, 0.25, 1795329770000});
  result.series.push_back(std::move(series));
  result.stats.inspected_spans = 12;
  return result;
}

TEST(TempoMetricsAnswer, RangeLeavesOutZeroesAndMissingSamples) {
  query::MetricsResult result = SampleResult();
  EXPECT_EQ(
      QueryRangeJson(result),
      R"({"series":[{"labels":[{"key":"name","value":{"stringValue":"b"}},)"
      R"({"key":"p","value":{"doubleValue":0.5}}],"samples":[)"
      R"({"timestampMs":"1795329780000","value":0.25},)"
      R"({"timestampMs":"1795329800000"}],"exemplars":[{"labels":[)"
      R"({"key":"trace:id","value":{"stringValue":"4bf9"}}],"value":0.25,)"
      R"("timestampMs":"1795329770000"}]}],)"
      R"("metrics":{"inspectedSpans":"12"}})");
  result.series.clear();
  result.partial = true;
  result.message = "cut";
  EXPECT_EQ(QueryRangeJson(result),
            R"({"series":[],"metrics":{"inspectedSpans":"12"},)"
            R"("status":"PARTIAL","message":"cut"})");
}

TEST(TempoMetricsAnswer, InstantHasOneValueASeries) {
  query::MetricsResult result = SampleResult();
  result.partial = true;  // no field for it
  result.series[0].labels.pop_back();
  query::Series zero;
  zero.values = {0};
  result.series.push_back(zero);
  zero.values = {std::nan("")};
  result.series.push_back(zero);
  EXPECT_EQ(QueryInstantJson(result),
            R"({"series":[{"labels":[{"key":"name","value":{"stringValue":)"
            R"("b"}}],"value":0.25},{}],"metrics":{"inspectedSpans":"12"}})");
}

TEST(TempoMetricsAnswer, ProtobufHasTheSame) {
  query::MetricsResult result;
  result.axis.start_ns = 0;
  result.axis.step_ns = kSecond;
  query::Series series;
  series.labels = {{"a", Static(std::string("b"))}};
  series.values = {1.0, std::nan(""), 0};
  result.series.push_back(series);
  result.partial = true;
  result.message = "m";
  const std::string label("\x0a\x08\x0a\x01\x61\x12\x03\x0a\x01\x62", 10);
  const std::string one("\x09\x00\x00\x00\x00\x00\x00\xf0\x3f\x10\xe8\x07", 12);
  const std::string zero("\x12\x03\x10\xb8\x17", 5);
  const std::string end("\x12\x00\x18\x01\x22\x01m", 7);
  EXPECT_EQ(QueryRangeProtobuf(result), std::string("\x0a\x1d", 2) + label +
                                            std::string("\x12\x0c", 2) + one +
                                            zero + end);
  EXPECT_EQ(QueryInstantProtobuf(result),
            std::string("\x0a\x13", 2) + label +
                std::string("\x11\x00\x00\x00\x00\x00\x00\xf0\x3f", 9) + end);
}

TEST(TempoMetricsStream, MessagesHaveWhatIsNewSinceTheOneBefore) {
  query::MetricsResult result = SampleResult();
  result.series[0].exemplars.clear();
  query::MetricsResult nothing = result;
  nothing.series.clear();
  SeriesStream stream(/*instant=*/false);
  size_t next = 0;
  EXPECT_EQ(stream.Message(result, &next), QueryRangeProtobuf(result));
  EXPECT_EQ(next, 1u);
  next = 0;
  EXPECT_EQ(stream.Message(result, &next), QueryRangeProtobuf(nothing));
  // One sample is another one, one is new.
  query::MetricsResult later = result;
  later.series[0].values = {0.25, 1, 2};
  query::MetricsResult changed = result;
  changed.series[0].values = {std::nan(""), 1, 2};
  next = 0;
  EXPECT_EQ(stream.Message(later, &next), QueryRangeProtobuf(changed));
  // It did not go out: the next one has it again.
  stream.TakeBack();
  next = 0;
  EXPECT_EQ(stream.Message(later, &next), QueryRangeProtobuf(changed));
  // Exemplars come with the end.
  later.series[0].exemplars = SampleResult().series[0].exemplars;
  changed.series[0].values.assign(3, std::nan(""));
  changed.series[0].exemplars = later.series[0].exemplars;
  next = 0;
  EXPECT_EQ(stream.Message(later, &next), QueryRangeProtobuf(changed));
}

TEST(TempoMetricsStream, MessagesAreBounded) {
  query::MetricsResult result;
  result.axis.step_ns = kSecond;
  for (int i = 0; i < 5; ++i) {
    query::Series& series = result.series.emplace_back();
    series.labels = {
        {"n", Static(std::string(400 << 10, static_cast<char>('a' + i)))}};
    series.values = {1};
  }
  SeriesStream stream(/*instant=*/false);
  std::vector<size_t> ends;
  for (size_t next = 0; next < result.series.size();) {
    EXPECT_LT(stream.Message(result, &next).size(), (1u << 20) + 100);
    ends.push_back(next);
  }
  EXPECT_EQ(ends, (std::vector<size_t>{2, 4, 5}));
}

}  // namespace
}  // namespace khtrace::api
