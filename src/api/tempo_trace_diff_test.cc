// SPDX-License-Identifier: Apache-2.0
#include "api/tempo_trace_diff.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "api/tempo.h"
#include "api/testing.h"

namespace khtrace::api {
namespace {

using model::AttrValue;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr model::TraceId kBase{0, 0xa};
constexpr model::TraceId kCompare{0, 0xb};
constexpr uint64_t kMilli = 1'000'000;

class TraceDiff : public ApiFixture {
 protected:
  TraceDiff() { RegisterTempo(router_, api_, health_); }

  // GET / > SELECT, render; in the other trace SELECT takes longer and fails,
  // render is gone and a cache was asked.
  void StoreBoth() {
    Store({{.trace = kBase, .id = 1, .duration = 100 * kMilli},
           {.service = "db",
            .trace = kBase,
            .id = 2,
            .parent = 1,
            .name = "SELECT",
            .kind = model::SpanKind::kClient,
            .start = kTestEpoch + kMilli,
            .duration = 40 * kMilli,
            .attributes = {{"rows", AttrValue::Int(3)},
                           {"gone", AttrValue::Bool(true)},
                           {"file.size", AttrValue::Int(1000)}}},
           {.trace = kBase,
            .id = 3,
            .parent = 1,
            .name = "render",
            .start = kTestEpoch + 50 * kMilli}});
    const uint64_t later = kTestEpoch + 9 * kSecond;
    Store(
        {{.trace = kCompare, .id = 7, .start = later, .duration = 115 * kMilli},
         {.service = "cache",
          .trace = kCompare,
          .id = 8,
          .parent = 7,
          .name = "GET",
          .kind = model::SpanKind::kClient,
          .start = later + kMilli},
         {.service = "db",
          .trace = kCompare,
          .id = 9,
          .parent = 7,
          .name = "SELECT",
          .kind = model::SpanKind::kClient,
          .status = model::StatusCode::kError,
          .start = later + 2 * kMilli,
          .duration = 60 * kMilli,
          .attributes = {
              {"rows",
               AttrValue::Double(std::numeric_limits<double>::quiet_NaN())},
              {"new", AttrValue::String("x")},
              {"file.size", AttrValue::Int(1040)}}}});
  }
  net::HttpResponse Post(const std::string& body) {
    return Send("POST", "/api/v2/traces/diff", {}, body);
  }
  std::string Diff(const std::string& format) {
    return Post(fmt::format(
                    R"({{"base":{{"traceId":"a"}},"compare":{{"traceId":)"
                    R"("b","start":1767225600}},"format":"{}"}})",
                    format))
        .body;
  }

  telemetry::Health health_;
};

TEST_F(TraceDiff, PatchTellsWhatDiffersSpanBySpan) {
  StoreBoth();
  const std::string expected =
      R"({"version":"trace-patch-v0",)"
      R"("base":{"traceId":"0000000000000000000000000000000a","spanCount":3},)"
      R"("compare":{"traceId":"0000000000000000000000000000000b",)"
      R"("spanCount":3},"stats":{"spanCountA":3,"spanCountB":3,)"
      R"("matchedSpans":2,"modifiedSpans":1,"addedSpans":1,"removedSpans":1,)"
      R"("fieldChanges":2,"attributeChanges":3,"eventChanges":0,)"
      R"("truncated":false},"modified":[{"span":{"path":[0,1],)"
      R"("service":"db","name":"SELECT","kind":"client"},"changes":[)"
      R"({"op":"modify","target":{"type":"field","name":"duration_nanos"},)"
      R"("before":40000000,"after":60000000},)"
      R"({"op":"modify","target":{"type":"field","name":"status"},)"
      R"("before":"unset","after":"error"},)"
      R"({"op":"remove","target":{"type":"attribute","scope":"span",)"
      R"("key":"gone"},"before":true,"after":null},)"
      R"({"op":"add","target":{"type":"attribute","scope":"span",)"
      R"("key":"new"},"before":null,"after":"x"},)"
      R"({"op":"modify","target":{"type":"attribute","scope":"span",)"
      R"("key":"rows"},"before":3,"after":"NaN"}]}],)"
      R"("added":[{"target":{"type":"span","parentPath":[0],"index":0},)"
      R"("span":{"path":[0,0],"service":"cache","name":"GET",)"
      R"("kind":"client","duration_nanos":5000000,"status":"unset"}}],)"
      R"("removed":[{"target":{"type":"span","path":[0,1]},)"
      R"("span":{"path":[0,1],"service":"shop","name":"render",)"
      R"("kind":"server","duration_nanos":5000000,"status":"unset"}}],)"
      R"("warnings":[]})";
  EXPECT_EQ(Diff("trace-patch-v0"), expected);
  EXPECT_EQ(Diff(""), expected);
}

TEST_F(TraceDiff, SummaryTellsItInNumbers) {
  StoreBoth();
  const std::string summary = Diff("trace-summary-v0-native");
  EXPECT_EQ(
      summary,
      R"({"version":"trace-summary-v0-native",)"
      R"("base":{"traceId":"0000000000000000000000000000000a",)"
      R"("rootService":"shop","rootName":"GET /","spanCount":3,)"
      R"("errorSpanCount":0,"durationMs":100,"sumSpanDurationMs":145},)"
      R"("compare":{"traceId":"0000000000000000000000000000000b",)"
      R"("rootService":"shop","rootName":"GET /","spanCount":3,)"
      R"("errorSpanCount":1,"durationMs":115,"sumSpanDurationMs":180},)"
      R"("signals":{"traceLatency":"increased",)"
      R"("sumSpanDuration":"increased","errors":"increased",)"
      R"("spanCount":"unchanged","structure":"changed"},)"
      R"("trust":{"matchedSpanRatio":0.6666666666666666,)"
      R"("structureOverlap":0.6666666666666666},)"
      R"("stats":{"traceLatencyDeltaMs":15,"sumSpanDurationDeltaMs":35,)"
      R"("spanCountDelta":0,"errorSpanDelta":1,"matchedSpans":2,)"
      R"("modifiedSpans":1,"addedSpans":1,"removedSpans":1,)"
      R"("fieldChanges":2,"attributeChanges":3},)"
      R"("changedServices":["cache","db","shop"],"services":[)"
      R"({"name":"db","sumSpanDurationDeltaMs":20,"modified":1,"added":0,)"
      R"("removed":0,"newErrors":1,"resolvedErrors":0},)"
      R"({"name":"shop","sumSpanDurationDeltaMs":10,"modified":0,"added":0,)"
      R"("removed":1,"newErrors":0,"resolvedErrors":0},)"
      R"({"name":"cache","sumSpanDurationDeltaMs":5,"modified":0,"added":1,)"
      R"("removed":0,"newErrors":0,"resolvedErrors":0}]})");
  EXPECT_EQ(Diff("trace-summary-v0-composed"),
            fmt::format(R"({{"version":"trace-summary-v0-composed",)"
                        R"("summary":{},"patch":{}}})",
                        summary, Diff("trace-patch-v0")));
}

TEST_F(TraceDiff, OfOneTraceThereIsNone) {
  StoreBoth();
  const std::string same =
      R"({"base":{"traceId":"a"},"compare":{"traceId":"A"}})";
  EXPECT_THAT(Post(same).body,
              HasSubstr(R"("modified":[],"added":[],"removed":[])"));
}

TEST_F(TraceDiff, ComposedLeavesOutALargePatchAndTellsItsSize) {
  StoreBoth();
  for (uint64_t id = 1; id <= 600; ++id) {
    Store({{.trace = {0, 0xc}, .id = id, .name = fmt::format("n{}", id)}});
  }
  const std::string body =
      Post(R"({"base":{"traceId":"a"},"compare":{"traceId":"c"},)"
           R"("format":"trace-summary-v0-composed"})")
          .body;
  EXPECT_THAT(body, HasSubstr(R"("patchOmitted":{"bytes":)"));
  EXPECT_THAT(body, HasSubstr(R"("reason":"over_budget"}})"));
  EXPECT_THAT(body, Not(HasSubstr("trace-patch-v0")));
}

TEST_F(TraceDiff, WarnsOfNamesAndTimesThatDoNotCompare) {
  StoreBoth();
  Store({{.trace = {0, 0xc}, .name = "GET /orders/8472615", .start = 0}});
  const std::string body =
      Post(R"({"base":{"traceId":"a"},"compare":{"traceId":"c"}})").body;
  EXPECT_THAT(body, HasSubstr(R"("code":"high_cardinality_span_name")"));
  EXPECT_THAT(body, HasSubstr(R"("code":"invalid_duration","message":)"
                              R"("compare trace has 1 spans without)"));
  EXPECT_THAT(Diff(""), Not(HasSubstr("high_cardinality")));
}

TEST_F(TraceDiff, AnswersThatWouldBeTooLargeAreRefused) {
  StoreBoth();
  api_.options.max_answer_bytes = 600;
  const net::HttpResponse refused =
      Post(R"({"base":{"traceId":"a"},"compare":{"traceId":"b"}})");
  EXPECT_EQ(refused.status, 429);
  EXPECT_THAT(refused.body, HasSubstr("trace-summary-v0-native"));
}

TEST_F(TraceDiff, RefusesWhatItCannotRead) {
  StoreBoth();
  const auto refused = [this](const std::string& body,
                              const std::string& text) {
    const net::HttpResponse response = Post(body);
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_THAT(response.body, StartsWith(text)) << body;
  };
  refused("", "invalid trace diff request body: ");
  refused("[]", "invalid trace diff request body: ");
  refused("{}", "base.traceId is required");
  refused(R"({"base":{"traceId":"a"},"compare":{}})",
          "compare.traceId is required");
  refused(R"({"base":{"traceId":"xyz"},"compare":{"traceId":"b"}})",
          "invalid base.traceId: trace IDs can only contain hex characters: "
          "invalid character 'x' at position 1");
  refused(R"({"base":{"traceId":"a","start":9,"end":9},)"
          R"("compare":{"traceId":"b"}})",
          "base.start must be before base.end. received start=9 end=9");
  refused(R"({"base":{"traceId":"a","start":"9"},"compare":{"traceId":"b"}})",
          "invalid trace diff request body: base.start is no whole number");
  refused(R"({"base":{"traceId":"a"},"compare":{"traceId":"b"},)"
          R"("format":"x"})",
          R"(invalid format "x": must be one of "trace-summary-v0-composed", )"
          R"("trace-patch-v0", "trace-summary-v0-native")");
  EXPECT_EQ(
      Post(R"({"base":{"traceId":"a"},"compare":{"traceId":"e"}})").status,
      404);
  EXPECT_EQ(Get("/api/v2/traces/diff").status, 405);
  EXPECT_EQ(Get("/api/v2/traces/d1ff").status, 200);
}

}  // namespace
}  // namespace khtrace::api
