// SPDX-License-Identifier: Apache-2.0
#include "api/params.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "api/json_indent.h"

namespace khtrace::api {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

template <typename T>
std::string MessageOf(const Result<T>& result) {
  return result ? "fine" : result.error().message;
}

TEST(ParseInteger, TakesTheWholeTextWithinTheLimits) {
  EXPECT_EQ(*ParseInteger("10", 1, 10), 10);
  EXPECT_EQ(MessageOf(ParseInteger("11", 1, 10)), "11 is outside 1 to 10");
  EXPECT_EQ(MessageOf(ParseInteger("-1", 1, 10)), "-1 is outside 1 to 10");
  EXPECT_EQ(MessageOf(ParseInteger("99999999999999999999", 1, 10)),
            "99999999999999999999 is outside 1 to 10");
  for (const char* text : {"", "a", "1a", "1.5", " 1", "0x1"}) {
    EXPECT_EQ(MessageOf(ParseInteger(text, 0, 10)),
              fmt::format("'{}' is not a whole number", text));
  }
}

TEST(ParseBool, TakesWhatGoTakes) {
  EXPECT_TRUE(*ParseBool("true"));
  EXPECT_TRUE(*ParseBool("1"));
  EXPECT_FALSE(*ParseBool("False"));
  EXPECT_EQ(MessageOf(ParseBool("yes")), "'yes' is neither true nor false");
}

TEST(ParseDuration, RefusesNegative) {
  EXPECT_EQ(*ParseDuration("1.5ms"), microseconds(1500));
  EXPECT_EQ(MessageOf(ParseDuration("-1s")), "'-1s' is below zero");
}

TEST(ParseUnixTime, TakesFarFutureAsTheLatestTime) {
  EXPECT_EQ(ParseUnixTime("7", microseconds(1))->ns, 7000u);
  EXPECT_EQ(*ParseUnixTime("9223372036854775807", microseconds(1)),
            UnixNanos::Max());
}

TEST(ParseMicrosOrMillis, TellsThemApartBySize) {
  EXPECT_EQ(ParseMicrosOrMillis("1767225600000")->ns, 1767225600000u * 1000000);
  EXPECT_EQ(ParseMicrosOrMillis("1767225600000000")->ns,
            1767225600000000u * 1000);
}

TEST(ParseStringMap, TakesTextOnly) {
  const auto map = ParseStringMap(R"({"a":"1","b":"x\"y","a":"2"})");
  ASSERT_TRUE(map);
  EXPECT_EQ(*map, (StringMap{{"a", "2"}, {"b", "x\"y"}}));
  EXPECT_TRUE(ParseStringMap("{}")->empty());
  EXPECT_EQ(MessageOf(ParseStringMap(R"({"a":1})")),
            "the value of 'a' is not a string");
  EXPECT_EQ(MessageOf(ParseStringMap(R"(["a"])")), "not an object");
  EXPECT_FALSE(ParseStringMap(R"({"a":"1"} x)"));
  EXPECT_FALSE(ParseStringMap("{"));
  EXPECT_FALSE(ParseStringMap("\xff"));
}

TEST(ParseJaegerTraceId, TakesHexAndBase64) {
  const model::TraceId id{0x0af7651916cd43dd, 0x8448eb211c80319c};
  EXPECT_EQ(*ParseJaegerTraceId("0af7651916cd43dd8448eb211c80319c"), id);
  EXPECT_EQ(*ParseJaegerTraceId("CvdlGRbNQ92ESOshHIAxnA=="), id);
  EXPECT_EQ(*ParseJaegerTraceId("7b"), (model::TraceId{0, 0x7b}));
  EXPECT_EQ(MessageOf(ParseJaegerTraceId("xyz")),
            "'xyz' is not 1 to 32 hex digits");
}

std::string Wording(std::string_view name, std::string_view reason) {
  return fmt::format("{}: {}", name, reason);
}

TEST(ParamReader, TakesValuelessParametersAsAbsent) {
  const auto query = net::QueryParams::Parse("limit&min=&raw");
  ParamReader params(query, Wording);
  EXPECT_EQ(params.Integer({"limit"}, 7, 1, 10), 7);
  EXPECT_FALSE(params.Duration({"min"}).has_value());
  EXPECT_FALSE(params.Bool({"raw"}));
  EXPECT_TRUE(params.status());
}

TEST(ParamReader, PrefersTheFirstSpellingAndNamesTheOneUsed) {
  const auto query = net::QueryParams::Parse("b_c=2&bC=1&d_e=x");
  ParamReader params(query, Wording);
  EXPECT_EQ(params.Text({"bC", "b_c"}), "1");
  EXPECT_EQ(params.Integer({"dE", "d_e"}, 3, 0, 9), 3);
  EXPECT_EQ(params.status().error().message, "d_e: 'x' is not a whole number");
}

TEST(ParamReader, KeepsTheFirstFailure) {
  const auto query = net::QueryParams::Parse("a=x&b=y");
  ParamReader params(query, Wording);
  params.Integer({"a"}, 0, 0, 9);
  params.Integer({"b"}, 0, 0, 9);
  EXPECT_EQ(params.status().error().message, "a: 'x' is not a whole number");
}

TEST(ParamReader, ReadsTimeWhosePlusBecameABlank) {
  const auto query =
      net::QueryParams::Parse("t=2026-01-01T02:00:00.5+02:00&u=5");
  ParamReader params(query, Wording);
  EXPECT_EQ(params.Rfc3339({"t"})->ns, 1767225600500000000u);
  EXPECT_EQ(params.UnixTime({"u"}, milliseconds(1))->ns, 5'000'000u);
}

TEST(IndentJson, BreaksLinesOutsideOfTexts) {
  EXPECT_EQ(IndentJson(R"({"a":[1,{"b":"x{,\"}"}],"c":[],"d":{}})"),
            "{\n    \"a\": [\n        1,\n        {\n            \"b\": "
            "\"x{,\\\"}\"\n        }\n    ],\n    \"c\": [],\n    \"d\": "
            "{}\n}");
}

}  // namespace
}  // namespace khtrace::api
