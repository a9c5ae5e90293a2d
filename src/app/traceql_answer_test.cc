// SPDX-License-Identifier: Apache-2.0
#include "app/traceql_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/traceql_chart.h"
#include "app/traceql_refusal.h"
#include "app/traceql_table.h"

namespace khtrace::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr std::string_view kSearch =
    R"j({"traces":[{"traceID":"0af7651916cd43dd0000000000000001",)j"
    R"j("rootServiceName":"frontend","rootTraceName":"GET /",)j"
    R"j("startTimeUnixNano":"1795329780000000000","durationMs":900,)j"
    R"j("spanSets":[{"spans":[{"spanID":"b7ad6b7169203303","name":"cart",)j"
    R"j("startTimeUnixNano":"1795329780000000001",)j"
    R"j("durationNanos":"300000000","attributes":[)j"
    R"j({"key":"status","value":{"stringValue":"error"}},)j"
    R"j({"key":"n","value":{"intValue":"200"}},)j"
    R"j({"key":"tags","value":{"arrayValue":{"values":[)j"
    R"j({"boolValue":true},{"doubleValue":1.5}]}}}]},)j"
    R"j({"spanID":"00ad6b7169203303"}],"matched":5,"attributes":[)j"
    R"j({"key":"avg(duration)","value":{"stringValue":"20ms"}}]}]}],)j"
    R"j("metrics":{}})j";

TEST(SearchAnswer, IsReadWithSpansetsAndValues) {
  const auto traces = ParseSearchAnswer(kSearch);
  ASSERT_TRUE(traces) << traces.error().message;
  ASSERT_EQ(traces->size(), 1u);
  const FoundTrace& trace = traces->front();
  EXPECT_EQ(trace.root_service, "frontend");
  EXPECT_EQ(trace.duration_ns, 900'000'000u);
  ASSERT_EQ(trace.spansets.size(), 1u);
  const FoundSpanset& set = trace.spansets.front();
  EXPECT_EQ(set.matched, 5u);
  EXPECT_THAT(set.attributes, ElementsAre(Pair("avg(duration)", "20ms")));
  ASSERT_EQ(set.spans.size(), 2u);
  EXPECT_THAT(set.spans[0].attributes,
              ElementsAre(Pair("status", "error"), Pair("n", "200"),
                          Pair("tags", "[true, 1.5]")));
}

TEST(SearchAnswer, AnythingElseIsRefused) {
  for (const char* json : {"", "[]", "{}", R"({"traces":[{}]})", "<html>"}) {
    const auto traces = ParseSearchAnswer(json);
    ASSERT_FALSE(traces) << json;
    EXPECT_EQ(traces.error().code, Code::kDataLoss);
  }
}

TEST(TraceTable, ShowsWhatMatchedBelowTheTrace) {
  const Terminal terminal{.width = 110};
  EXPECT_EQ(RenderTraces(*ParseSearchAnswer(kSearch), terminal),
            "Start (UTC)               Duration  Matched  "
            "Root                             Trace id\n"
            "2026-11-22 06:43:00.000     900 ms        5  "
            "frontend: GET /                  "
            "0af7651916cd43dd0000000000000001\n"
            "  avg(duration)=20ms  (5 spans)\n"
            "    cart                               300 ms  "
            "status=error  n=200  tags=[true, 1.5]\n"
            "    span 00ad6b7169203303                0 ns\n"
            "    … 3 more\n");
}

TEST(TraceTable, ValuesThatDoNotFitGoBelow) {
  FoundSpan span;
  span.name = "op";
  span.attributes = {{"a", std::string(30, 'x')}, {"b", "y"}};
  FoundTrace trace;
  trace.spansets.emplace_back().spans.push_back(span);
  trace.spansets[0].matched = 1;
  EXPECT_THAT(RenderTraces({trace}, {.width = 60}),
              HasSubstr("0 ns\n      a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx  b=y\n"));
}

TEST(TraceTable, CsvHasAColumnForEachAttribute) {
  EXPECT_EQ(
      TracesCsv(*ParseSearchAnswer(kSearch)),
      "trace_id,root_service,root_name,trace_start,trace_duration_ms,matched,"
      "span_id,span_name,span_start,span_duration_ns,avg(duration),n,status,"
      "tags\r\n"
      "0af7651916cd43dd0000000000000001,frontend,GET /,2026-11-22T06:43:00Z,"
      "900,5,b7ad6b7169203303,cart,2026-11-22T06:43:00.000000001Z,300000000,"
      "20ms,200,error,\"[true, 1.5]\"\r\n"
      "0af7651916cd43dd0000000000000001,frontend,GET /,2026-11-22T06:43:00Z,"
      "900,5,00ad6b7169203303,,1970-01-01T00:00:00Z,0,20ms,,,\r\n");
}

constexpr std::string_view kMetrics =
    R"j({"series":[{"labels":[{"key":"name","value":{"stringValue":"b"}}],)j"
    R"j("samples":[{"timestampMs":"1795329800000"},)j"
    R"j({"timestampMs":"1795329780000","value":4},)j"
    R"j({"timestampMs":"1795329840000","value":8}]},)j"
    R"j({"labels":[{"key":"__name__","value":{"stringValue":"rate"}}],)j"
    R"j("samples":[]}],"status":"PARTIAL","message":"cut"})j";

TEST(MetricsAnswer, IsReadInOrderOfTime) {
  const auto answer = ParseMetricsAnswer(kMetrics);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->warning, "cut");
  ASSERT_EQ(answer->series.size(), 2u);
  ASSERT_EQ(answer->series[0].samples.size(), 3u);
  EXPECT_EQ(answer->series[0].samples[0].value, 4);
  EXPECT_EQ(answer->series[0].samples[1].value, 0);
  EXPECT_FALSE(ParseMetricsAnswer("{}"));
}

TEST(Chart, DrawsALineForEachSeries) {
  const auto answer = ParseMetricsAnswer(kMetrics);
  ASSERT_TRUE(answer);
  EXPECT_EQ(RenderCharts(answer->series, 20, {.width = 80}),
            "Series              Min        Max       Last\n"
            "name=b  ▄▁ █          0          8          8\n"
            "rate        \n"
            "2026-11-22 06:43:00.000 to 2026-11-22 06:44:00.000 UTC, a sample "
            "every 20s, full height 8\n");
  const std::string plain =
      RenderCharts(answer->series, 1, {.utf8 = false, .width = 80});
  EXPECT_THAT(plain, HasSubstr("name=b  -_ #"));
  EXPECT_THAT(plain, HasSubstr("1 lower series: --limit shows more"));
  EXPECT_EQ(RenderCharts({{}}, 20, {}), "the series have no samples\n");
}

TEST(Chart, CsvHasALineForEachSample) {
  const auto answer = ParseMetricsAnswer(kMetrics);
  ASSERT_TRUE(answer);
  EXPECT_EQ(SeriesCsv(answer->series),
            "time,__name__,name,value\r\n"
            "2026-11-22T06:43:00Z,,b,4\r\n"
            "2026-11-22T06:43:20Z,,b,0\r\n"
            "2026-11-22T06:44:00Z,,b,8\r\n");
}

TEST(Chart, StepsAreRoundAndSamplesFit) {
  constexpr uint64_t kSecond = 1'000'000'000;
  EXPECT_EQ(ChartStep(3600 * kSecond, 61), 60 * kSecond);
  EXPECT_EQ(ChartStep(3601 * kSecond, 61), 120 * kSecond);
  EXPECT_EQ(ChartStep(10 * kSecond, 61), kSecond);
  EXPECT_EQ(ChartStep(86400 * kSecond, 61), 1800 * kSecond);
  EXPECT_EQ(ChartStep(100 * 86400 * kSecond, 61), 42 * 3600 * kSecond);
  EXPECT_EQ(ChartStep(0, 0), kSecond);
}

TEST(RefusalText, PointsAtThePlace) {
  EXPECT_EQ(RefusalText("parse error at line 1, col 6: unexpected '=='\n",
                        "{ .ä == 1 }", {}),
            "parse error at line 1, col 6: unexpected '=='\n"
            "  { .ä == 1 }\n"
            "       ^");
  EXPECT_EQ(RefusalText("bad at line 2, col 1: x", "{ }\n| foo()", {}),
            "bad at line 2, col 1: x\n"
            "  | foo()\n"
            "  ^");
}

TEST(RefusalText, WithoutAPlaceIsTheMessageAlone) {
  for (const char* message :
       {"not a metrics query", "line x", "line 1, col 0: x", "line 9, col 1: x",
        "line 1, col 99999999999999999999"}) {
    EXPECT_EQ(RefusalText(message, "{ }", {}), message);
  }
}

}  // namespace
}  // namespace khtrace::app
