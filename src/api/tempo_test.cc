// SPDX-License-Identifier: Apache-2.0
#include "api/tempo.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "api/testing.h"
#include "codec/otlp.h"

namespace khtrace::api {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kTraceHex = "0af7651916cd43dd8448eb211c80319c";

class Tempo : public ApiFixture {
 protected:
  Tempo() { RegisterTempo(router_, api_, health_); }

  void ExpectText(std::string_view target, int status, std::string_view text) {
    const net::HttpResponse response = Get(target);
    EXPECT_EQ(response.status, status) << target;
    EXPECT_EQ(response.content_type, "text/plain; charset=utf-8");
    EXPECT_EQ(response.body, fmt::format("{}\n", text));
  }

  const net::HttpHeaders protobuf_{{"Accept", "text/x, application/protobuf"}};
  telemetry::Health health_;
};

TEST_F(Tempo, IsReadyWhenEveryComponentIs) {
  ExpectText("/ready", 503, "not ready");
  health_.SetOk("storage");
  ExpectText("/ready", 200, "ready");
}

TEST_F(Tempo, AnswersProbes) {
  EXPECT_EQ(Get("/api/echo").body, "echo");
  EXPECT_EQ(Get("/api/status/buildinfo").body,
            R"({"version":"1.2.3","revision":"abc","branch":"main",)"
            R"("buildUser":"ci","buildDate":"2026-01-01T00:00:00Z",)"
            R"("goVersion":""})");
}

TEST_F(Tempo, UnknownTraceIsNotFoundInV1AndEmptyInV2) {
  const net::HttpResponse v1 = Get("/api/traces/7b");
  EXPECT_EQ(v1.status, 404);
  EXPECT_EQ(v1.body, "");
  const net::HttpResponse v2 = Get("/api/v2/traces/7b");
  EXPECT_EQ(v2.status, 200);
  EXPECT_EQ(v2.content_type, "application/json");
  EXPECT_EQ(v2.body, R"({"trace":{},"metrics":{}})");
  const net::HttpResponse binary = Get("/api/v2/traces/7b", protobuf_);
  EXPECT_EQ(binary.status, 200);
  EXPECT_EQ(binary.content_type, "application/protobuf");
  EXPECT_EQ(binary.body, std::string("\x0a\x00\x12\x00", 4));
}

TEST_F(Tempo, GivesTraceAsJsonWithBase64Ids) {
  Store({{}});
  const std::string v1 = Get(fmt::format("/api/traces/{}", kTraceHex)).body;
  EXPECT_THAT(v1, StartsWith(R"({"batches":[{"resource":{"attributes":[)"));
  EXPECT_THAT(v1, HasSubstr(R"("traceId":"CvdlGRbNQ92ESOshHIAxnA==")"));
  EXPECT_THAT(v1, HasSubstr(R"("kind":"SPAN_KIND_SERVER")"));
  const std::string v2 = Get(fmt::format("/api/v2/traces/{}", kTraceHex)).body;
  EXPECT_THAT(v2, StartsWith(R"({"trace":{"resourceSpans":[{"resource")"));
  EXPECT_THAT(v2, testing::EndsWith(R"(]},"metrics":{}})"));
}

TEST_F(Tempo, GivesTraceAsProtobufWhenAccepted) {
  Store({{}});
  std::string trace;
  codec::EncodeOtlpProtobuf(BatchOf({{}}), &trace);
  const net::HttpResponse v1 =
      Get(fmt::format("/api/traces/{}", kTraceHex), protobuf_);
  EXPECT_EQ(v1.content_type, "application/protobuf");
  EXPECT_EQ(v1.body, trace);
  const net::HttpResponse v2 =
      Get(fmt::format("/api/v2/traces/{}", kTraceHex), protobuf_);
  ASSERT_LT(trace.size(), 128u);  // a length of one byte
  EXPECT_EQ(v2.body, std::string("\x0a") + static_cast<char>(trace.size()) +
                         trace + std::string("\x12\x00", 2));
}

TEST_F(Tempo, FindsTraceByShortIdAndWhateverTheTimes) {
  Store({{.trace = {0, 0x7b}}});
  EXPECT_EQ(Get("/api/traces/7b").status, 200);
  EXPECT_EQ(Get("/api/traces/7B?start=1767225600").status, 200);
  EXPECT_EQ(Get("/api/traces/7b?start=10&end=20").status, 200);
}

TEST_F(Tempo, TellsWhatIsWrongWithTheRequest) {
  ExpectText("/api/traces/xyz", 400,
             "trace IDs can only contain hex characters: invalid character 'x' "
             "at position 1");
  ExpectText("/api/v2/traces/12%C3%A4", 400,
             "trace IDs can only contain hex characters: invalid character 'ä' "
             "at position 3");
  ExpectText("/api/traces/000000000000000000000000000000001", 400,
             "trace IDs can't be larger than 128 bits");
  ExpectText("/api/v2/traces/7b?start=10&end=5", 400,
             "http parameter start must be before end. received start=10 "
             "end=5");
  ExpectText("/api/v2/traces/7b?start=x", 400,
             "invalid start: 'x' is not a whole number");
  api_.options.multitenancy = true;
  ExpectText("/api/v2/traces/7b", 401, "no org id");
}

TEST_F(Tempo, SearchesTheStore) {
  Store({{.service = "shop", .id = 1},
         {.service = "db",
          .id = 2,
          .parent = 1,
          .name = "SELECT",
          .status = model::StatusCode::kError,
          .attributes = {{"rows", model::AttrValue::Int(3)}}}});
  const std::string found =
      Get("/api/search?q=%7B.rows%3E2%26%26status%3Derror%7D").body;
  EXPECT_THAT(found, StartsWith(fmt::format(
                         R"({{"traces":[{{"traceID":"{}",)"
                         R"("rootServiceName":"shop","rootTraceName":"GET /",)",
                         kTraceHex)));
  EXPECT_THAT(found, HasSubstr(R"({"key":"rows","value":{"intValue":"3"}})"));
  EXPECT_THAT(found, HasSubstr(R"("serviceStats":{"db":{"spanCount":1,)"
                               R"("errorCount":1},"shop":{"spanCount":1}})"));
  EXPECT_THAT(Get("/api/search?tags=rows%3D3").body, HasSubstr(kTraceHex));
  EXPECT_THAT(Get("/api/search?q=%7B.rows%3E3%7D").body,
              StartsWith(R"({"traces":[],)"));
  EXPECT_EQ(Get("/api/search?q=%7B1%2F0%3D1%7D").status, 400);
}

TEST_F(Tempo, TellsTagsAndTheirValues) {
  Store({{.service = "shop", .attributes = {{"a/b", model::AttrValue::Int(7)}}},
         {.service = "web", .id = 2}});
  EXPECT_EQ(Get("/api/v2/search/tags?scope=span").body,
            R"({"scopes":[{"name":"span","tags":["a/b"]}],"metrics":{}})");
  for (const char* name : {"span.a/b", "span.a%2Fb"}) {
    EXPECT_THAT(Get(fmt::format("/api/v2/search/tag/{}/values", name)).body,
                StartsWith(R"({"tagValues":[{"type":"int","value":"7"}],)"));
  }
  EXPECT_THAT(
      Get("/api/search/tag/service.name/values?q=%7B.a%2Fb%3D7%26%26%7D").body,
      StartsWith(R"({"tagValues":["shop"],)"));
  EXPECT_EQ(Get("/api/v2/search/tags?scope=span&q=%7Bresource.service.name"
                "%3D%22web%22%7D")
                .body,
            R"({"scopes":[],"metrics":{}})");
  EXPECT_EQ(Get("/api/search/tags?q=%7B.a%2Fb%3D7%26%26%7D").body,
            R"({"tagNames":["a/b","service.name"],"metrics":{}})");
  ExpectText("/api/v2/search/tags?scope=bogus", 400, "invalid scope: bogus");
  EXPECT_EQ(Get("/api/v2/search/tag/span.a").status, 404);
  EXPECT_THAT(Get("/api/v2/search/tag/service.name/values").body,
              StartsWith("please provide a valid tagName: failed to parse "
                         "identifier service.name: "));
}

TEST_F(Tempo, CountsSpansOverTime) {
  Store({{.start = kTestEpoch + 1 * kSecond},
         {.id = 2, .start = kTestEpoch + 21 * kSecond}});
  const std::string range =
      "q=%7B%7D%7Ccount_over_time()&start=1767225600&end=1767225640";
  EXPECT_THAT(Get("/api/metrics/query_range?exemplars=0&step=20&" + range).body,
              StartsWith(R"({"series":[{"labels":[{"key":"__name__","value":)"
                         R"({"stringValue":"count_over_time"}}],"samples":[)"
                         R"({"timestampMs":"1767225600000"},)"
                         R"({"timestampMs":"1767225620000","value":1},)"
                         R"({"timestampMs":"1767225640000","value":1}]}],)"));
  EXPECT_THAT(
      Get("/api/metrics/query?" + range).body,
      StartsWith(R"({"series":[{"labels":[{"key":"__name__","value":)"
                 R"({"stringValue":"count_over_time"}}],"value":2}],)"));
  EXPECT_THAT(Get("/api/metrics/query_range?step=1ns&" + range).body,
              StartsWith("step of 1ns is too small"));
}

TEST_F(Tempo, JudgesSpans) {
  Store({{.id = 1, .duration = 2 * kSecond},
         {.id = 2,
          .parent = 1,
          .name = "SELECT",
          .kind = model::SpanKind::kClient,
          .duration = kSecond / 10,
          .attributes = {{"db.system", model::AttrValue::String("pg")}}}});
  const std::string grade = "%7Bperf%3Agrade%3D%22B%22%7D";
  EXPECT_THAT(
      Get("/api/search?q=" + grade + "%7Cselect(perf:category)").body,
      HasSubstr(R"("attributes":[{"key":"perf:grade","value":{"stringValue":)"
                R"("B"}},{"key":"perf:category","value":{"stringValue":)"
                R"("database"}}])"));
  EXPECT_THAT(
      Get("/api/metrics/query?q=%7B%7D%7Ccount_over_time()by(perf:grade)"
          "&start=1767225540&end=1767225640")
          .body,
      HasSubstr(R"({"key":"perf:grade","value":{"stringValue":"F"}})"));
  EXPECT_THAT(Get("/api/v2/search/tag/perf:category/values").body,
              StartsWith(R"({"tagValues":[{"type":"string","value":"api"},)"
                         R"({"type":"string","value":"database"}],)"));
  EXPECT_THAT(Get("/api/v2/search/tag/span:kind/values?q=" + grade).status,
              200);
  EXPECT_THAT(
      Get("/api/v2/search/tag/name/values?q=" + grade).body,
      StartsWith(R"({"tagValues":[{"type":"string","value":"SELECT"}],)"));
  const std::string one =
      Get(fmt::format("/api/v2/traces/{}?q={}", kTraceHex, grade)).body;
  EXPECT_THAT(one, HasSubstr(R"("name":"SELECT")"));
  EXPECT_THAT(one, testing::Not(HasSubstr(R"("name":"GET /")")));
}

TEST_F(Tempo, FiltersTheSpansOfATrace) {
  Store({{.id = 1}, {.id = 2, .parent = 1, .name = "SELECT"}});
  const std::string target = fmt::format("/api/v2/traces/{}?q=", kTraceHex);
  const std::string one = Get(target + "%7Bname%3D%22SELECT%22%7D").body;
  EXPECT_THAT(one, HasSubstr(R"("name":"SELECT")"));
  EXPECT_THAT(one, testing::Not(HasSubstr(R"("name":"GET /")")));
  EXPECT_THAT(one,
              HasSubstr(R"("status":"PARTIAL","message":"Trace filtered)"));
  EXPECT_THAT(Get(target + "%7Bname%3D%22no%22%7D").body,
              StartsWith(R"({"trace":{},"metrics":{},"status":"PARTIAL")"));
  EXPECT_EQ(Get("/api/v2/traces/7b?q=%7B%7D").body,
            R"({"trace":{},"metrics":{}})");
  EXPECT_THAT(Get(target + "%7Bname%3D%22SELECT%22%7D", protobuf_).body,
              HasSubstr("\x18\x01\x22"));
  // Nothing is missing: a whole trace.
  EXPECT_EQ(Get(target + "%7B%7D").body, Get(target).body);
  EXPECT_EQ(Get(target + "+%20").body, Get(target).body);
  EXPECT_EQ(Get(target + "%7B%7D", protobuf_).body,
            Get(target, protobuf_).body);
}

TEST_F(Tempo, RefusesWhatIsNoFilterOfATrace) {
  Store({{.id = 1}});
  const std::string target = fmt::format("/api/v2/traces/{}?q=", kTraceHex);
  const std::string single =
      "invalid TraceQL filter: only a single TraceQL filter is supported: got ";
  ExpectText(target + "%7B%7D%7Ccount()%3E1", 400,
             single + "a structural or aggregate query");
  ExpectText(target + "%7B%7D%3E%7B%7D", 400,
             single + "a structural or aggregate query");
  ExpectText(target + "%7B%7D%7Crate()", 400, single + "a metrics query");
  ExpectText(target + "%7B%7D%7C%7B%7D%7Cby(.a)", 400,
             single + "3 pipeline elements");
  const net::HttpResponse typo = Get(target + "%7B%20name%20%7D");
  EXPECT_EQ(typo.status, 400);
  EXPECT_THAT(typo.body,
              StartsWith("invalid TraceQL filter: failed to parse TraceQL "
                         "spanset filter: invalid query at line 1"));
}

// 1 is the root of 2 and 6, 2 of 3 (which fits), 3 of 4, 4 of 5.
TEST_F(Tempo, TellsWhatIsAroundTheSpansThatFit) {
  Store({{.id = 1, .name = "n1"},
         {.id = 2, .parent = 1, .name = "n2"},
         {.id = 3, .parent = 2, .name = "n3"},
         {.id = 4, .parent = 3, .name = "n4"},
         {.id = 5, .parent = 4, .name = "n5"},
         {.id = 6, .parent = 1, .name = "n6"}});
  const std::string target =
      fmt::format("/api/v2/traces/{}?q=%7Bname%3D%22n3%22%7D", kTraceHex);
  const auto told = [&](const std::string& params) {
    const std::string body = Get(target + params).body;
    std::string names;
    for (const char* n : {"1", "2", "3", "4", "5", "6"}) {
      const std::string name = fmt::format(R"("name":"n{}")", n);
      if (body.find(name) != std::string::npos) names += n;
    }
    EXPECT_THAT(body, HasSubstr(R"("status":"PARTIAL")"));
    return names;
  };
  EXPECT_EQ(told(""), "3");
  EXPECT_EQ(told("&match_depth=1"), "34");
  EXPECT_EQ(told("&match_depth=-1"), "345");
  EXPECT_EQ(told("&match_depth=99999999999"), "345");
  EXPECT_EQ(told("&keep_hierarchy=true"), "123");
  EXPECT_EQ(told("&keep_hierarchy=1&ancestor_depth=1"), "23");
  EXPECT_EQ(told("&keep_hierarchy=true&ancestor_depth=0"), "3");
  EXPECT_EQ(told("&keep_hierarchy=true&ancestor_depth=1&match_depth=1"), "234");
  // Without it, nobody looks at the depth.
  EXPECT_EQ(told("&ancestor_depth=-7"), "3");
  EXPECT_EQ(told("&keep_hierarchy=false&ancestor_depth=2"), "3");
}

TEST_F(Tempo, RefusesDepthsThatAreNone) {
  Store({{.id = 1}});
  const std::string target =
      fmt::format("/api/v2/traces/{}?q=%7B%7D", kTraceHex);
  ExpectText(target + "&match_depth=-2", 400,
             "invalid value for match_depth: must be >= -1");
  ExpectText(target + "&keep_hierarchy=true&ancestor_depth=-2", 400,
             "invalid value for ancestor_depth: must be >= -1");
  EXPECT_THAT(Get(target + "&match_depth=two").body,
              StartsWith("invalid value for match_depth: "));
  EXPECT_THAT(Get(target + "&keep_hierarchy=perhaps").body,
              StartsWith("invalid value for keep_hierarchy: "));
  // Without `q` they say nothing.
  EXPECT_EQ(
      Get(fmt::format("/api/v2/traces/{}?match_depth=-2", kTraceHex)).status,
      200);
}

}  // namespace
}  // namespace khtrace::api
