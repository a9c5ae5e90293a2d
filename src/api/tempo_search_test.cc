// SPDX-License-Identifier: Apache-2.0
#include "api/tempo_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/logfmt.h"
#include "api/tempo_common.h"
#include "api/testing.h"
#include "traceql/printer.h"

namespace khtrace::api {
namespace {

using testing::ElementsAre;
using testing::Pair;
using traceql::Static;

constexpr UnixNanos kNow{kTestEpoch + 600 * kSecond};

Result<TempoSearch> Read(std::string_view query) {
  return ReadTempoSearch(net::QueryParams::Parse(query), kNow);
}
std::string Refusal(std::string_view query) {
  auto search = Read(query);
  return search ? "accepted" : search.error().message;
}

TEST(TempoSearchParams, DefaultsAreTheNewestTracesOfAQuarterOfAnHour) {
  const auto search = Read("q=%7B%7D");
  ASSERT_TRUE(search) << search.error().message;
  EXPECT_EQ(search->limit, 20u);
  EXPECT_EQ(search->spans_per_spanset, 3u);
  EXPECT_EQ(search->start, kNow.Minus(std::chrono::minutes(15)));
  EXPECT_EQ(search->end, kNow.Plus(std::chrono::minutes(1)));
  EXPECT_FALSE(search->legacy);
}

TEST(TempoSearchParams, TimesAreWholeSecondsAndTheLastCounts) {
  const auto search = Read("q=%7B%7D&start=10&end=20&limit=7&spss=0");
  ASSERT_TRUE(search);
  EXPECT_EQ(search->start.ns, 10 * kSecond);
  EXPECT_EQ(search->end.ns, 21 * kSecond - 1);
  EXPECT_EQ(search->limit, 7u);
  EXPECT_EQ(search->spans_per_spanset, 0u);
  EXPECT_EQ(Read("since=1h")->start, kNow.Minus(std::chrono::hours(1)));
}

TEST(TempoSearchParams, WithoutQueryTracesAreToldAndNotTheirSpans) {
  const auto search = Read("");
  ASSERT_TRUE(search);
  EXPECT_TRUE(search->legacy);
  EXPECT_EQ(traceql::Print(search->query), "{ }");
}

TEST(TempoSearchParams, RefusalsAreTempos) {
  EXPECT_EQ(Refusal("limit=0"), "invalid limit: must be a positive number");
  EXPECT_EQ(Refusal("limit=-3"), "invalid limit: must be a positive number");
  EXPECT_EQ(Refusal("limit=262145"), "limit 262145 exceeds max limit 262144");
  EXPECT_EQ(Refusal("limit=x"), "invalid limit: 'x' is not a whole number");
  EXPECT_EQ(Refusal("spss=101"),
            "spans per span set exceeds 100. received 101");
  EXPECT_EQ(Refusal("end=20"),
            "error parsing date range: only one of start and end provided: "
            "must provide both or neither");
  EXPECT_EQ(Refusal("start=10"),
            "http parameter start must be before end. received start=10 end=0");
  EXPECT_EQ(Refusal("start=10&end=5"),
            "http parameter start must be before end. received start=10 end=5");
  EXPECT_EQ(Refusal("start=1&end=604802"),
            "range specified by start and end exceeds 168h0m0s. received "
            "start=1 end=604802");
  EXPECT_EQ(Refusal("start=1795329780000&end=1795329790000"),
            "invalid start: 1795329780000 is outside 0 to 4294967295");
  EXPECT_EQ(Refusal("q=%7B%7D&tags=a%3Db"),
            "invalid request: can't specify tags and q in the same query");
  EXPECT_EQ(Refusal("minDuration=abc"),
            "invalid minDuration: time: invalid duration \"abc\"");
  EXPECT_THAT(Refusal("q=%7B%20.a%20%3D%3D%201%7D"),
              testing::StartsWith(
                  "invalid TraceQL query: parse error at line 1, col "));
  EXPECT_THAT(Refusal("q=%7B%20status%20%3D%20%22x%22%20%7D"),
              testing::StartsWith("invalid TraceQL query: invalid query at "));
  EXPECT_THAT(Refusal("q=" + std::string(200'000, '1')),
              testing::HasSubstr("too large"));
}

TEST(Logfmt, ReadsBareAndQuotedValues) {
  auto pairs = ParseLogfmt(R"( a=b  c.d="x \"y\" ä"  flag e= f=1)");
  ASSERT_TRUE(pairs) << pairs.error().message;
  EXPECT_THAT(*pairs,
              ElementsAre(Pair("a", "b"), Pair("c.d", "x \"y\" ä"),
                          Pair("flag", ""), Pair("e", ""), Pair("f", "1")));
  EXPECT_THAT(*ParseLogfmt(""), testing::IsEmpty());
}

TEST(Logfmt, TellsWhereItIsMalformed) {
  const auto why = [](std::string_view text) {
    return ParseLogfmt(text).error().message;
  };
  EXPECT_EQ(why("=b"), "logfmt syntax error at pos 1: unexpected '='");
  EXPECT_EQ(why("a=b=c"), "logfmt syntax error at pos 4: unexpected '='");
  EXPECT_EQ(why("a=\"b"),
            "logfmt syntax error at pos 3: unterminated quoted value");
  EXPECT_EQ(why("a=\"\\q\""),
            "logfmt syntax error at pos 3: invalid quoted value");
}

TEST(TempoLegacySearch, BecomesOneFilter) {
  const auto query = [](std::string_view tags, std::string_view min = "",
                        std::string_view max = "") {
    auto text = LegacyToTraceQl(tags, min, max);
    return text ? *text : text.error().message;
  };
  EXPECT_EQ(query(""), "{  }");
  EXPECT_EQ(query("service.name=cart name=\"x y\" root.name=r"),
            R"({ resource.service.name = "cart" && name = "x y" && )"
            R"(rootName = "r" })");
  EXPECT_EQ(query("http.status_code=200"),
            R"({ (.http.status_code = "200" || .http.status_code = 200) })");
  EXPECT_EQ(query("cached=true"),
            R"({ (.cached = "true" || .cached = true) })");
  EXPECT_EQ(query("error=true"), "{ status = error }");
  EXPECT_EQ(query("status.code=ok"), "{ status = ok }");
  EXPECT_EQ(query("", "100ms", "1m30s"),
            "{ traceDuration >= 100ms && traceDuration <= 1m30s }");
  EXPECT_EQ(query("a=b=c"),
            "invalid tags: logfmt syntax error at pos 4: unexpected '='");
}

query::SearchResult SampleResult() {
  query::TraceHit trace;
  trace.trace_id = {0x0af7651916cd43dd, 0x1};
  trace.root_service = "frontend";
  trace.root_name = "GET /";
  trace.has_root = true;
  trace.start = {1795329780000000000};
  trace.duration_nanos = 900'000'000;
  trace.services = {{"cart", 3, 0}, {"frontend", 1, 1}};
  query::Spanset set;
  set.matched = 3;
  set.spans.push_back({{0xb7},
                       "cart",
                       {1795329780000000001},
                       300'000'000,
                       {{"status", Static(model::StatusCode::kError)},
                        {"n", Static(int64_t{200})},
                        {"f", Static(1.5)},
                        {"ok", Static(false)},
                        {"none", Static(traceql::Nil())},
                        {"tags", Static(std::vector<int64_t>{1, 2})},
                        {"bits", Static(std::vector<bool>{true})}}});
  set.values = {
      {"by(.a)", Static(std::string())},
      {"avg(duration)", Static(std::chrono::nanoseconds(20'000'000))}};
  trace.spansets.push_back(std::move(set));
  query::SearchResult result;
  result.traces.push_back(std::move(trace));
  result.stats.inspected_traces = 4;
  result.stats.inspected_bytes = 15014;
  result.stats.units = 1;
  result.stats.units_done = 1;
  return result;
}

TEST(TempoSearchAnswer, JsonHasTemposFieldsAndNoZeroes) {
  const std::string set =
      R"({"spans":[{"spanID":"00000000000000b7","name":"cart",)"
      R"("startTimeUnixNano":"1795329780000000001",)"
      R"("durationNanos":"300000000","attributes":[)"
      R"({"key":"status","value":{"stringValue":"error"}},)"
      R"({"key":"n","value":{"intValue":"200"}},)"
      R"({"key":"f","value":{"doubleValue":1.5}},)"
      R"({"key":"ok","value":{"boolValue":false}},)"
      R"({"key":"none","value":{"stringValue":"nil"}},)"
      R"({"key":"tags","value":{"arrayValue":{"values":)"
      R"([{"intValue":"1"},{"intValue":"2"}]}}},)"
      R"({"key":"bits","value":{"arrayValue":{"values":)"
      R"([{"boolValue":true}]}}}]}],"matched":3,"attributes":[)"
      R"j({"key":"by(.a)","value":{"stringValue":""}},)j"
      R"j({"key":"avg(duration)","value":{"stringValue":"20ms"}}]})j";
  EXPECT_EQ(SearchJson(SampleResult(), false),
            R"({"traces":[{"traceID":"0af7651916cd43dd0000000000000001",)"
            R"("rootServiceName":"frontend","rootTraceName":"GET /",)"
            R"("startTimeUnixNano":"1795329780000000000","durationMs":900,)"
            R"("spanSet":)" +
                set + R"(,"spanSets":[)" + set +
                R"(],"serviceStats":{"cart":{"spanCount":3},)"
                R"("frontend":{"spanCount":1,"errorCount":1}}}],)"
                R"("metrics":{"inspectedTraces":4,"inspectedBytes":"15014",)"
                R"("totalBlocks":1,"completedJobs":1,"totalJobs":1}})");
}

TEST(TempoSearchAnswer, WithoutRootAndSpansLittleIsLeft) {
  query::SearchResult result;
  EXPECT_EQ(SearchJson(result, false), R"({"traces":[],"metrics":{}})");
  result = SampleResult();
  result.stats = {};
  result.traces[0].has_root = false;
  result.traces[0].root_service.clear();
  result.traces[0].root_name.clear();
  result.traces[0].services.clear();
  result.traces[0].duration_nanos = 999'999;
  EXPECT_EQ(SearchJson(result, true),
            R"({"traces":[{"traceID":"0af7651916cd43dd0000000000000001",)"
            R"("rootServiceName":"<root span not yet received>",)"
            R"("startTimeUnixNano":"1795329780000000000"}],"metrics":{}})");
}

TEST(TempoSearchAnswer, ProtobufHasTheSame) {
  const std::string body = SearchProtobuf(SampleResult(), false);
  wire::ProtoReader answer(body);
  ASSERT_TRUE(answer.Next());
  EXPECT_EQ(answer.tag(), wire::ProtoReader::Tag(1, wire::WireType::kLen));
  wire::ProtoReader trace(answer.Bytes());
  std::string fields;
  while (trace.Next()) {
    fields += std::to_string(trace.field());
    trace.Skip();
  }
  EXPECT_EQ(fields, "123456788");
  EXPECT_TRUE(trace.ok());
  ASSERT_TRUE(answer.Next());
  EXPECT_EQ(answer.field(), 2u);
  EXPECT_EQ(SearchProtobuf({}, false), std::string("\x12\x00", 2));
}

TEST(TempoSearchAnswer, MessagesOfAStreamAreBoundedAndAddUp) {
  query::TraceHit trace;
  trace.root_name = std::string(400 << 10, 'x');
  std::vector<query::TraceHit> traces(5, trace);
  query::QueryStats stats;
  stats.units = 3;
  std::span<const query::TraceHit> rest(traces);
  std::vector<size_t> taken;
  while (!rest.empty()) {
    const std::string message =
        SearchMessage(rest, stats, false, &taken.emplace_back());
    EXPECT_LT(message.size(), kMaxMessageBytes + 100);
    rest = rest.subspan(taken.back());
  }
  EXPECT_THAT(taken, ElementsAre(2, 2, 1));
  traces.resize(1);
  traces[0].root_name = std::string(2 << 20, 'x');
  EXPECT_GT(SearchMessage(traces, stats, false, &taken[0]).size(), 2u << 20);
  EXPECT_EQ(taken[0], 1u);
}

TEST(TempoSearchAnswer, LossesAreWarnedOf) {
  query::QueryStats stats;
  net::HttpResponse response;
  WarnOfLosses(stats, &response);
  EXPECT_FALSE(response.headers.Has("Warning"));
  stats.units = 7;
  stats.units_lost = 2;
  WarnOfLosses(stats, &response);
  EXPECT_EQ(response.headers.Get("Warning"),
            "199 khtrace \"2 of 7 units of the store are damaged and left "
            "out\"");
}

}  // namespace
}  // namespace khtrace::api
