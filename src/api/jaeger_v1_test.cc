// SPDX-License-Identifier: Apache-2.0
#include "api/jaeger_v1.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "api/testing.h"
#include "base/hash.h"

namespace khtrace::api {
namespace {

using model::AttrValue;
using model::SpanKind;
using model::StatusCode;
using testing::HasSubstr;

constexpr std::string_view kEmpty =
    R"({"data":[],"total":0,"limit":0,"offset":0,"errors":null})";
constexpr std::string_view kTraceHex = "0af7651916cd43dd8448eb211c80319c";

class JaegerV1 : public ApiFixture {
 protected:
  JaegerV1() { RegisterJaegerV1(router_, api_); }

  void ExpectError(std::string_view target, int status,
                   std::string_view message) {
    const net::HttpResponse response = Get(target);
    EXPECT_EQ(response.status, status) << target;
    EXPECT_EQ(response.content_type, "text/plain; charset=utf-8");
    EXPECT_EQ(response.body,
              fmt::format(R"({{"data":null,"total":0,"limit":0,"offset":0,)"
                          R"("errors":[{{"code":{},"msg":"{}"}}]}})"
                          "\n",
                          status, message))
        << target;
  }
  // Ids of the traces that a search finds, in order, as "1 2 3".
  std::string Found(std::string_view params) {
    const net::HttpResponse response =
        Get(fmt::format("/api/traces?{}", params));
    EXPECT_EQ(response.status, 200) << response.body;
    std::string ids;
    constexpr std::string_view kMark = R"({"traceID":")";
    std::string_view rest = response.body;
    for (size_t at; (at = rest.find(kMark)) != std::string_view::npos;) {
      rest.remove_prefix(at + kMark.size());
      const std::string_view id = rest.substr(0, rest.find('"'));
      // Spans and references repeat the id of their trace.
      if (!rest.substr(id.size()).starts_with(R"(","spans")")) continue;
      if (!ids.empty()) ids += ' ';
      ids += id.substr(id.find_first_not_of('0'));
    }
    return ids;
  }
};

TEST_F(JaegerV1, EmptyStoreAnswersEmptyLists) {
  for (const char* target :
       {"/api/services", "/api/services/shop/operations",
        "/api/operations?service=shop", "/api/traces?service=shop",
        "/api/dependencies?endTs=1767225600000&lookback=604800000"}) {
    const net::HttpResponse response = Get(target);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_EQ(response.body, kEmpty) << target;
  }
}

TEST_F(JaegerV1, ListsServicesAndOperations) {
  Store(
      {{.service = "b", .id = 1, .name = "x", .kind = SpanKind::kServer},
       {.service = "b", .id = 2, .name = "x", .kind = SpanKind::kClient},
       {.service = "a", .id = 3, .name = "y", .kind = SpanKind::kUnspecified}});
  EXPECT_EQ(Get("/api/services").body,
            R"({"data":["a","b"],"total":2,"limit":0,"offset":0,)"
            R"("errors":null})");
  EXPECT_EQ(Get("/api/services/b/operations").body,
            R"({"data":["x"],"total":1,"limit":0,"offset":0,"errors":null})");
  EXPECT_THAT(Get("/api/operations?service=b").body,
              HasSubstr(R"("data":[{"name":"x","spanKind":"server"},)"
                        R"({"name":"x","spanKind":"client"}],"total":2)"));
  EXPECT_THAT(Get("/api/operations?service=a").body,
              HasSubstr(R"([{"name":"y","spanKind":""}])"));
  EXPECT_THAT(Get("/api/operations?service=b&spanKind=client").body,
              HasSubstr(R"([{"name":"x","spanKind":"client"}])"));
}

TEST_F(JaegerV1, TakesServiceNamesWithSlashBlankAndOtherScripts) {
  for (const char* service : {"a/b", "two words", "läden", "x/operations"}) {
    Store({{.service = service, .trace = {0, 9}, .id = Hash64(service)}});
  }
  for (const char* target :
       {"/api/services/a%2Fb/operations", "/api/services/a/b/operations",
        "/api/services/two%20words/operations",
        "/api/services/l%C3%A4den/operations",
        "/api/services/x%2Foperations/operations"}) {
    EXPECT_THAT(Get(target).body, HasSubstr(R"("data":["GET /"])")) << target;
  }
  EXPECT_EQ(Found("service=a%2Fb"), "9");
  EXPECT_EQ(Found("service=two+words"), "9");
  EXPECT_EQ(Found("service=l%C3%A4den"), "9");
  EXPECT_EQ(Get("/api/services/").status, 404);
  EXPECT_EQ(Get("/api/services/a").status, 404);
}

TEST_F(JaegerV1, AnswersEveryRequestOfTheUiAndGrafana) {
  Store({{}});
  // Jaeger UI 2.18: valueless parameters, lookback beside start and end.
  EXPECT_EQ(
      Found("end=1767226200000000&limit=20&lookback=1h&maxDuration&minDuration"
            "&service=shop&start=1767222600000000"),
      "af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(
      Found(
          "end=1767226200000000&limit=20&lookback=1h&maxDuration=1.2s"
          "&minDuration=100us&operation=GET%20%2F&service=shop"
          "&start=1767222600000000&tags=%7B%22span.kind%22%3A%22server%22%7D"),
      "af7651916cd43dd8448eb211c80319c");
  const struct {
    std::string_view target;
    int status;
  } kRequests[] = {
      {"/api/services", 200},
      {"/api/services/shop/operations", 200},
      {"/api/traces?service=shop&operation=GET%20%2F&tags=%7B%7D&minDuration="
       "&maxDuration=&limit=20&start=1767222600000000&end=1767226200000000",
       200},
      {"/api/traces/0af7651916cd43dd8448eb211c80319c", 200},
      {"/api/traces/af7651916cd43dd8448eb211c80319c?start=1&end=2", 200},
      {"/api/traces/0af7651916cd43dd8448eb211c80319c?start=1767222600000"
       "&end=1767226200000",
       200},
      {"/api/traces?traceID=0af7651916cd43dd8448eb211c80319c&traceID=b", 200},
      {"/api/dependencies?endTs=1767226200000&lookback=604800000", 200},
      {"/api/metrics/latencies?service=X&endTs=1767226200000"
       "&groupByOperation=true&lookback=3600000&quantile=0.95&ratePer=600000"
       "&spanKind=server&step=60000",
       501},
      {"/api/metrics/calls?service=X&quantile=0.95", 501},
      {"/api/metrics/errors?service=X&quantile=0.95", 501},
      {"/api/metrics/minstep", 200},
      {"/api/quality-metrics?hours=1&service=shop", 404},
      {"/api/deep-dependencies", 404},
  };
  for (const auto& [target, status] : kRequests) {
    EXPECT_EQ(Get(target).status, status) << target;
  }
  EXPECT_EQ(Get("/api/metrics/minstep").body,
            R"({"data":1000,"total":0,"limit":0,"offset":0,"errors":null})");
}

TEST_F(JaegerV1, SearchConditionsHoldForOneSpanTogether) {
  const uint64_t day = 86'400 * kSecond;
  Store({{.trace = {0, 1},
          .status = StatusCode::kError,
          .attributes = {{"http.status_code", AttrValue::Int(500)}}},
         {.trace = {0, 2},
          .id = 2,
          .start = kTestEpoch + kSecond,
          .resource = {{"host.name", AttrValue::String("h1")}},
          .event = {{"exception.type", AttrValue::String("Oops")}}},
         {.trace = {0, 3},
          .id = 3,
          .kind = SpanKind::kClient,
          .start = kTestEpoch + 2 * kSecond,
          .duration = 7'000'000},
         {.trace = {0, 4}, .id = 4, .start = kTestEpoch - 3 * day}});
  EXPECT_EQ(Found("service=shop"), "3 2 1");  // the last 48 hours
  EXPECT_EQ(Found("service=shop&start=0"), "3 2 1 4");
  EXPECT_EQ(Found("service=shop&limit=1"), "3");
  EXPECT_EQ(Found("service=shop&operation=all"), "3 2 1");
  EXPECT_EQ(Found("service=shop&operation=GET+/"), "3 2 1");
  EXPECT_EQ(Found("service=shop&operation=other"), "");
  EXPECT_EQ(Found("service=shop&tag=error:true"), "1");
  EXPECT_EQ(Found("service=shop&tag=error:false"), "3 2");
  EXPECT_EQ(Found("service=shop&tag=otel.status_code:ERROR"), "1");
  EXPECT_EQ(Found("service=shop&tag=span.kind:client"), "3");
  EXPECT_EQ(Found("service=shop&tag=http.status_code:500"), "1");
  EXPECT_EQ(Found("service=shop&tag=host.name:h1"), "2");
  EXPECT_EQ(Found("service=shop&tag=exception.type:Oops"), "2");
  EXPECT_EQ(Found("service=shop&tag=host.name:h1&tag=error:true"), "");
  EXPECT_EQ(
      Found(R"(service=shop&tags={"host.name":"h1"}&tag=span.kind:server)"),
      "2");
  EXPECT_EQ(Found("service=shop&minDuration=6ms"), "3");
  EXPECT_EQ(Found("service=shop&maxDuration=6ms"), "2 1");
  EXPECT_EQ(Found("service=shop&minDuration=5ms&maxDuration=5ms"), "2 1");
  EXPECT_EQ(Found("service=shop&end=1767225600000000"), "1");
}

TEST_F(JaegerV1, TellsEachBadParameter) {
  ExpectError("/api/traces", 400, "parameter 'service' is required");
  ExpectError("/api/traces?service=", 400, "parameter 'service' is required");
  ExpectError("/api/operations", 400, "parameter 'service' is required");
  ExpectError("/api/operations?service=a&spanKind=x", 400,
              "unable to parse param 'spanKind': 'x' is no span kind");
  ExpectError("/api/traces?service=a&limit=x", 400,
              "unable to parse param 'limit': 'x' is not a whole number");
  ExpectError("/api/traces?service=a&limit=0", 400,
              "unable to parse param 'limit': 0 is outside 1 to 10000");
  ExpectError("/api/traces?service=a&limit=10001", 400,
              "unable to parse param 'limit': 10001 is outside 1 to 10000");
  ExpectError("/api/traces?service=a&start=1.5", 400,
              "unable to parse param 'start': '1.5' is not a whole number");
  ExpectError("/api/traces?service=a&end=-1", 400,
              "unable to parse param 'end': -1 is outside 0 to "
              "9223372036854775807");
  ExpectError("/api/traces?service=a&start=2&end=1", 400,
              "'end' should not be before 'start'");
  ExpectError("/api/traces?service=a&minDuration=-1s", 400,
              "unable to parse param 'minDuration': '-1s' is below zero");
  ExpectError("/api/traces?service=a&minDuration=2s&maxDuration=1s", 400,
              "'maxDuration' should be greater than 'minDuration'");
  ExpectError("/api/traces?service=a&tag=k", 400,
              "malformed 'tag' parameter, expecting key:value, received: k");
  ExpectError(R"(/api/traces?service=a&tags={"k":1})", 400,
              "malformed 'tags' parameter, cannot unmarshal JSON: the value of "
              "'k' is not a string");
  ExpectError("/api/traces?service=a&raw=x", 400,
              "unable to parse param 'raw': 'x' is neither true nor false");
  ExpectError("/api/traces?traceID=xyz", 400,
              "cannot parse traceID param: 'xyz' is not 1 to 32 hex digits");
  ExpectError("/api/traces/xyz", 400,
              "cannot parse traceID param: 'xyz' is not 1 to 32 hex digits");
  ExpectError("/api/traces/1?start=x", 400,
              "unable to parse param 'start': 'x' is not a whole number");
  ExpectError("/api/traces/1", 404, "trace not found");
  ExpectError("/api/dependencies?endTs=x", 400,
              "unable to parse param 'endTs': 'x' is not a whole number");
  ExpectError("/api/metrics/calls?service=a", 501, "metrics storage disabled");
}

TEST_F(JaegerV1, QuotesBadDuration) {
  const net::HttpResponse response =
      Get("/api/traces?service=a&minDuration=abc");
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(response.body,
              HasSubstr("unable to parse param 'minDuration': "));
  EXPECT_THAT(response.body, HasSubstr("abc"));
}

TEST_F(JaegerV1, GivesOneTraceWhateverFormOfItsId) {
  Store({{}});
  const std::string full = Get(fmt::format("/api/traces/{}", kTraceHex)).body;
  EXPECT_EQ(
      full,
      R"({"data":[{"traceID":"0af7651916cd43dd8448eb211c80319c","spans":[)"
      R"({"traceID":"0af7651916cd43dd8448eb211c80319c",)"
      R"("spanID":"0000000000000001","operationName":"GET /",)"
      R"("references":[],"startTime":1767225600000000,"duration":5000,)"
      R"("tags":[{"key":"span.kind","type":"string","value":"server"}],)"
      R"("logs":[],"processID":"p1","warnings":null}],)"
      R"("processes":{"p1":{"serviceName":"shop","tags":[]}},)"
      R"("warnings":null}],"total":0,"limit":0,"offset":0,"errors":null})");
  for (const char* id :
       {"af7651916cd43dd8448eb211c80319c", "0AF7651916CD43DD8448EB211C80319C",
        "CvdlGRbNQ92ESOshHIAxnA==", "CvdlGRbNQ92ESOshHIAxnA"}) {
    EXPECT_EQ(Get(fmt::format("/api/traces/{}", id)).body, full) << id;
  }
}

TEST_F(JaegerV1, IndentsWhenAsked) {
  EXPECT_EQ(Get("/api/services?prettyPrint=true").body,
            "{\n    \"data\": [],\n    \"total\": 0,\n    \"limit\": 0,\n"
            "    \"offset\": 0,\n    \"errors\": null\n}");
}

TEST_F(JaegerV1, TellsMissingTracesBesideTheOthers) {
  Store({{}});
  const net::HttpResponse response =
      Get(fmt::format("/api/traces?traceID=7b&traceID={}", kTraceHex));
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr(kTraceHex));
  EXPECT_THAT(response.body,
              HasSubstr(R"("errors":[{"code":404,"msg":"trace not found",)"
                        R"("traceID":"000000000000007b"}])"));
}

TEST_F(JaegerV1, SaysWhenAnAnswerEndsEarly) {
  Store({{.trace = {0, 1}}, {.trace = {0, 2}, .id = 2}});
  api_.options.max_answer_bytes = 1;
  const net::HttpResponse response = Get("/api/traces?service=shop");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body,
              HasSubstr(R"("errors":[{"msg":"only the first 1 traces)"));
}

TEST_F(JaegerV1, CountsCallsBetweenServices) {
  Store({{.id = 1},
         {.id = 2, .parent = 1},
         {.service = "db", .id = 3, .parent = 2},
         {.service = "db", .id = 4, .parent = 2}});
  EXPECT_EQ(Get("/api/dependencies").body,
            R"({"data":[{"parent":"shop","child":"db","callCount":2},)"
            R"({"parent":"shop","child":"shop","callCount":1}],)"
            R"("total":2,"limit":0,"offset":0,"errors":null})");
  EXPECT_THAT(Get("/api/dependencies?service=db").body,
              HasSubstr(R"("data":[{"parent":"shop","child":"db")"));
  EXPECT_EQ(Get("/api/dependencies?service=none").body, kEmpty);
  EXPECT_EQ(Get("/api/dependencies?endTs=1000&lookback=1000").body, kEmpty);
}

TEST_F(JaegerV1, HasNoArchive) {
  EXPECT_EQ(Send("POST", "/api/archive/7b").body,
            R"({"data":null,"total":0,"limit":0,"offset":0,"errors":[)"
            R"({"code":500,"msg":"archive span storage was not configured"}]})"
            "\n");
  EXPECT_EQ(Send("POST", "/api/archive/x").status, 400);
  EXPECT_EQ(Get("/api/archive/7b").status, 405);
}

TEST_F(JaegerV1, TransformsOtlpJson) {
  const net::HttpResponse response = Send(
      "POST", "/api/transform", {},
      R"({"resourceSpans":[{"resource":{"attributes":[{"key":"service.name",)"
      R"("value":{"stringValue":"up"}}]},"scopeSpans":[{"spans":[{"traceId":)"
      R"("0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331",)"
      R"("name":"n","startTimeUnixNano":"1000","endTimeUnixNano":"3000"}]}]}]})");
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_THAT(response.body, HasSubstr(R"("operationName":"n")"));
  EXPECT_THAT(response.body, HasSubstr(R"("serviceName":"up")"));
  EXPECT_EQ(Send("POST", "/api/transform", {}, "{").status, 400);
  EXPECT_EQ(
      Send("POST", "/api/transform", {{"Content-Encoding", "br"}}, "{}").status,
      400);
}

TEST_F(JaegerV1, AsksForTheTenantOnlyWithMultitenancy) {
  Store({{.service = "mine"}}, "team-a");
  EXPECT_EQ(Get("/api/services", {{"X-Scope-OrgID", "team-a"}}).body, kEmpty);
  api_.options.multitenancy = true;
  EXPECT_THAT(Get("/api/services", {{"X-Scope-OrgID", "team-a"}}).body,
              HasSubstr("mine"));
  ExpectError("/api/services", 401, "no org id");
  EXPECT_EQ(Get("/api/services", {{"X-Scope-OrgID", "../x"}}).status, 400);
}

}  // namespace
}  // namespace khtrace::api
