// SPDX-License-Identifier: Apache-2.0
#include "wire/json_writer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace khtrace::wire {
namespace {

std::string Json(std::string_view text) {
  std::string out;
  AppendJsonString(text, &out);
  return out;
}

std::string Json(double value) {
  std::string out;
  AppendJsonDouble(value, &out);
  return out;
}

TEST(AppendJsonString, WritesPlainTextAsItIs) {
  EXPECT_EQ(Json(""), "\"\"");
  EXPECT_EQ(Json("GET /api/v1/users/{id}?q='x'~"),
            "\"GET /api/v1/users/{id}?q='x'~\"");
}

TEST(AppendJsonString, EscapesQuotesBackslashesAndControlsAtEveryPosition) {
  for (size_t at = 0; at < 20; ++at) {
    const std::string before(at, 'a');
    EXPECT_EQ(Json(before + "\"" + "tail"), "\"" + before + "\\\"tail\"");
    EXPECT_EQ(Json(before + "\\"), "\"" + before + "\\\\\"");
    EXPECT_EQ(Json(before + "\n\t\r\b\f" + "tail56789"),
              "\"" + before + "\\n\\t\\r\\b\\ftail56789\"");
    EXPECT_EQ(Json(before + std::string("\0\x1f", 2)),
              "\"" + before + "\\u0000\\u001f\"");
  }
}

TEST(AppendJsonString, KeepsUnicodeAndDelete) {
  EXPECT_EQ(Json("na\u00efve \u65e5 \U0001f600 \x7f"),
            "\"na\u00efve \u65e5 \U0001f600 \x7f\"");
}

TEST(AppendJsonString, ReplacesMalformedUtf8) {
  EXPECT_EQ(Json("a\xff\"b"), "\"a\ufffd\\\"b\"");
  EXPECT_EQ(Json("\xed\xa0\x80"), "\"\ufffd\ufffd\ufffd\"");
}

TEST(AppendJsonDouble, WritesTheShortestForm) {
  EXPECT_EQ(Json(0.1), "0.1");
  EXPECT_EQ(Json(5.0), "5");
  EXPECT_EQ(Json(1e300), "1e+300");
}

TEST(AppendJsonDouble, KeepsADoubleApartFromIntegersThatReadersCannotHold) {
  EXPECT_EQ(Json(-0.0), "-0.0");
  EXPECT_EQ(Json(0x1p64), "18446744073709551616.0");
  EXPECT_EQ(Json(-0x1p63), "-9223372036854775808.0");
}

TEST(AppendJsonDouble, QuotesWhatJsonCannotSay) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(Json(std::numeric_limits<double>::quiet_NaN()), "\"NaN\"");
  EXPECT_EQ(Json(infinity), "\"Infinity\"");
  EXPECT_EQ(Json(-infinity), "\"-Infinity\"");
}

TEST(JsonWriter, PutsCommasBetweenValuesAndNowhereElse) {
  std::string out;
  JsonWriter w(&out);
  w.BeginObject();
  w.Key("empty");
  w.BeginArray();
  w.EndArray();
  w.Key("list");
  w.BeginArray();
  w.Int(-1);
  w.BeginObject();
  w.EndObject();
  w.Bool(true);
  w.Null();
  w.EndArray();
  w.EscapedKey("a\"b");
  w.String("x");
  w.Key("raw");
  w.Raw("[1]");
  w.EndObject();
  EXPECT_EQ(out,
            R"({"empty":[],"list":[-1,{},true,null],"a\"b":"x","raw":[1]})");
}

TEST(JsonWriter, WritesIntegersToTheirLimits) {
  std::string out;
  JsonWriter w(&out);
  w.BeginArray();
  w.Int(std::numeric_limits<int64_t>::min());
  w.Uint(UINT64_MAX);
  w.QuotedInt(-5);
  w.QuotedUint(UINT64_MAX);
  w.Double(0.5);
  w.EndArray();
  EXPECT_EQ(out,
            "[-9223372036854775808,18446744073709551615,\"-5\","
            "\"18446744073709551615\",0.5]");
}

}  // namespace
}  // namespace khtrace::wire
