// SPDX-License-Identifier: Apache-2.0
#include "traceql/checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/check.h"
#include "traceql/parser.h"

namespace khtrace::traceql {
namespace {

using testing::HasSubstr;

Query Parse(std::string_view text) {
  auto query = ParseQuery(text);
  KHTRACE_CHECK(query.has_value());
  return *std::move(query);
}

// The other rules are in tests/traceql/invalid/types.txt.
TEST(CheckQuery, NamesPlaceRuleAndTypes) {
  Diagnostic d;
  const Query query = Parse("{ .a } |\n  { name = 1 }");
  const auto status = CheckQuery(query, &d);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kInvalidArgument);
  EXPECT_EQ(status.error().message,
            "invalid query at line 2, col 10: binary operations must operate "
            "on the same type: name = 1 (string and int)");
  EXPECT_EQ(d.kind, Diagnostic::Kind::kQuery);
  EXPECT_EQ(d.position.line, 2u);
}

TEST(CheckQuery, LongExpressionsAreCutInMessages) {
  const std::string text(50'000, 'x');
  const auto status = CheckQuery(Parse("{ 1 = \"" + text + "\" }"));
  ASSERT_FALSE(status);
  EXPECT_LT(status.error().message.size(), 400u);
}

TEST(CheckQuery, ManyRegexesAreRefused) {
  std::string text = "{ .a =~ \"x\" }";
  for (int i = 1; i < 100; ++i) text += " | { .a =~ \"x\" }";
  EXPECT_TRUE(CheckQuery(Parse(text)));
  const auto status = CheckQuery(Parse(text + " | { .a !~ \"x\" }"));
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message,
              HasSubstr("more than 100 regexes in one query"));
}

TEST(IsValidRegex, RefusesWhatNeedsTooMuchMemory) {
  std::string why;
  EXPECT_TRUE(IsValidRegex("(a+)+b", &why));
  EXPECT_TRUE(IsValidRegex(".{1000}", &why));
  EXPECT_FALSE(IsValidRegex("\\pL{100}", &why));
  EXPECT_EQ(why, "pattern too large - compile failed");
}

}  // namespace
}  // namespace khtrace::traceql
