// SPDX-License-Identifier: Apache-2.0
#include "api/jaeger_v3.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "api/testing.h"

namespace khtrace::api {
namespace {

using model::AttrValue;
using model::SpanKind;
using model::StatusCode;
using testing::HasSubstr;

constexpr std::string_view kRange =
    "query.startTimeMin=2026-01-01T00:00:00Z"
    "&query.startTimeMax=2026-01-01T01:00:00.123456789Z";

class JaegerV3 : public ApiFixture {
 protected:
  JaegerV3() { RegisterJaegerV3(router_, api_); }

  void ExpectError(std::string_view target, int status,
                   std::string_view message) {
    const net::HttpResponse response = Get(target);
    EXPECT_EQ(response.status, status) << target;
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_EQ(response.body,
              fmt::format(R"({{"error":{{"httpCode":{},"message":"{}"}}}})",
                          status, message));
  }
  std::string Summaries(std::string_view more = "") {
    const net::HttpResponse response =
        Get(fmt::format("/api/v3/trace-summaries?{}{}", kRange, more));
    EXPECT_EQ(response.status, 200) << response.body;
    return response.body;
  }
};

TEST_F(JaegerV3, EmptyStoreAnswersEmptyLists) {
  EXPECT_EQ(Get("/api/v3/services").body, R"({"services":[]})");
  EXPECT_EQ(Get("/api/v3/operations?service=a").body, R"({"operations":[]})");
  EXPECT_EQ(Summaries(), R"({"summaries":[]})");
  ExpectError(fmt::format("/api/v3/traces?{}", kRange), 404, "No traces found");
  ExpectError("/api/v3/traces/7b", 404, "trace not found");
}

TEST_F(JaegerV3, ListsServicesAndOperations) {
  Store({{.service = "a/b", .id = 1, .name = "x"},
         {.service = "a/b", .id = 2, .name = "y", .kind = SpanKind::kClient}});
  EXPECT_EQ(Get("/api/v3/services").body, R"({"services":["a/b"]})");
  EXPECT_EQ(Get("/api/v3/operations?service=a%2Fb").body,
            R"({"operations":[{"name":"x","spanKind":"server"},)"
            R"({"name":"y","spanKind":"client"}]})");
  EXPECT_EQ(Get("/api/v3/operations?service=a%2Fb&spanKind=client").body,
            R"({"operations":[{"name":"y","spanKind":"client"}]})");
  EXPECT_EQ(Get("/api/v3/operations?service=a%2Fb&span_kind=client").body,
            R"({"operations":[{"name":"y","spanKind":"client"}]})");
}

TEST_F(JaegerV3, SummarizesTraces) {
  Store({{.trace = {0, 0x7b}, .id = 1},
         {.service = "db",
          .trace = {0, 0x7b},
          .id = 2,
          .parent = 99,
          .status = StatusCode::kError,
          .start = kTestEpoch + 1000}});
  EXPECT_EQ(Summaries(),
            R"({"summaries":[{"traceId":"0000000000000000000000000000007b",)"
            R"("rootServiceName":"shop","rootOperationName":"GET /",)"
            R"("minStartTimeUnixNano":"1767225600000000000",)"
            R"("maxEndTimeUnixNano":"1767225600005001000","spanCount":2,)"
            R"("errorSpanCount":1,"orphanSpanCount":1,"services":[)"
            R"({"name":"db","spanCount":1,"errorSpanCount":1},)"
            R"({"name":"shop","spanCount":1,"errorSpanCount":0}]}]})");
}

TEST_F(JaegerV3, AnswersTheSearchOfTheUi) {
  Store({{.attributes = {{"k", AttrValue::String("v")}}}});
  const std::string none = R"({"summaries":[]})";
  EXPECT_NE(Summaries("&query.serviceName=shop&query.operationName=GET%20%2F"
                      "&query.searchDepth=20&query.durationMin=1ms"
                      "&query.attributes=%7B%22k%22%3A%22v%22%7D"),
            none);
  EXPECT_NE(Summaries("&query.service_name=shop&query.num_traces=1"), none);
  EXPECT_NE(Summaries("&query.serviceName=shop&query.service_name=x"), none);
  EXPECT_EQ(Summaries("&query.service_name=x"), none);
  EXPECT_EQ(Summaries("&query.durationMin=1s"), none);
  EXPECT_EQ(Summaries("&query.durationMax=0.001s"), none);
  EXPECT_EQ(Summaries("&query.attributes=%7B%22k%22%3A%22w%22%7D"), none);
}

TEST_F(JaegerV3, GivesTracesAsOtlpJson) {
  Store({{.trace = {0, 1}}, {.trace = {0, 2}, .id = 2}});
  const std::string one = Get("/api/v3/traces/1").body;
  EXPECT_THAT(one, testing::StartsWith(R"({"result":{"resourceSpans":[{)"));
  EXPECT_THAT(one,
              HasSubstr(R"("traceId":"00000000000000000000000000000001")"));
  EXPECT_THAT(one, HasSubstr(R"("spanId":"0000000000000001")"));
  const std::string both = Get(fmt::format("/api/v3/traces?{}", kRange)).body;
  EXPECT_THAT(both, HasSubstr(R"("spanId":"0000000000000001")"));
  EXPECT_THAT(both, HasSubstr(R"("spanId":"0000000000000002")"));
  // Grafana leaves the plus of an offset as it is.
  EXPECT_EQ(Get("/api/v3/traces/1?start_time=2026-01-01T02:00:00+02:00"
                "&end_time=2026-01-01T03:00:00+02:00")
                .body,
            one);
  EXPECT_EQ(Get("/api/v3/traces/1?startTime=2020-01-01T00:00:00Z"
                "&endTime=2020-01-02T00:00:00Z&rawTraces=true")
                .body,
            one);
}

TEST_F(JaegerV3, TellsEachBadParameter) {
  ExpectError("/api/v3/operations", 400,
              "malformed parameter service: it is required");
  ExpectError("/api/v3/operations?service=a&spanKind=x", 400,
              "malformed parameter spanKind: 'x' is no span kind");
  ExpectError("/api/v3/traces/xyz", 400,
              "malformed parameter trace_id: 'xyz' is not 1 to 32 hex digits");
  ExpectError("/api/v3/traces", 400,
              "malformed parameter query.startTimeMin: it is required");
  ExpectError("/api/v3/trace-summaries?query.startTimeMin=2026-01-01T00:00:00Z",
              400, "malformed parameter query.startTimeMax: it is required");
  const std::string base = fmt::format("/api/v3/traces?{}", kRange);
  ExpectError(base + "&query.searchDepth=0", 400,
              "malformed parameter query.searchDepth: 0 is outside 1 to 10000");
  ExpectError(
      base + "&query.num_traces=x", 400,
      "malformed parameter query.num_traces: 'x' is not a whole number");
  ExpectError(base + "&query.attributes=[]", 400,
              "malformed parameter query.attributes: not an object");
  ExpectError(base + "&query.durationMin=2s&query.durationMax=1s", 400,
              "malformed parameter query.durationMax: it is less than "
              "query.durationMin");
  ExpectError(base + "&query.filter={}", 501,
              "query.filter is not available in this version");
  EXPECT_THAT(Get("/api/v3/traces?query.startTimeMin=yesterday").body,
              HasSubstr("malformed parameter query.startTimeMin: "));
}

TEST_F(JaegerV3, AsksForTheTenantWithMultitenancy) {
  api_.options.multitenancy = true;
  ExpectError("/api/v3/services", 401, "no org id");
}

}  // namespace
}  // namespace khtrace::api
