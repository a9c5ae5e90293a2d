// SPDX-License-Identifier: Apache-2.0
#include "traceql/lexer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace khtrace::traceql {
namespace {

using testing::ElementsAre;
using namespace std::chrono_literals;

std::vector<Token> Tokens(std::string_view text) {
  Lexer lexer(text);
  std::vector<Token> tokens;
  for (;;) {
    Token token;
    if (!lexer.Next(&token)) {
      ADD_FAILURE() << ToString(lexer.diagnostic());
      return tokens;
    }
    if (token.kind == TokenKind::kEnd) return tokens;
    tokens.push_back(token);
  }
}

std::vector<std::string> Sources(std::string_view text) {
  std::vector<std::string> sources;
  for (const Token& token : Tokens(text)) sources.emplace_back(token.source);
  return sources;
}

Token OneToken(std::string_view text) {
  const std::vector<Token> tokens = Tokens(text);
  EXPECT_EQ(tokens.size(), 1u) << text;
  return tokens.empty() ? Token() : tokens[0];
}

TEST(Lexer, TakesTheLongestOperator) {
  EXPECT_THAT(Sources("!>>!>!~!=!&>>&>&&|| |>=>>=~~"),
              ElementsAre("!>>", "!>", "!~", "!=", "!", "&>>", "&>", "&&", "||",
                          "|", ">=", ">>", "=~", "~"));
  EXPECT_THAT(Sources("&<<&<&~<<<=<"),
              ElementsAre("&<<", "&<", "&~", "<<", "<=", "<"));
}

TEST(Lexer, NameModeBeginsAtADottedScopeAndEndsAtAnOperator) {
  EXPECT_THAT(Sources("{.a-b/c=span.x+1>=(resource.y)}"),
              ElementsAre("{", ".a-b/c", "=", "span.x+1", ">=", "(",
                          "resource.y", ")", "}"));
}

TEST(Lexer, AttributesCarryScopeParentAndName) {
  const Token token = OneToken("parent.resource.a.b");
  EXPECT_EQ(token.kind, TokenKind::kAttribute);
  EXPECT_EQ(token.attribute.scope, AttributeScope::kResource);
  EXPECT_TRUE(token.attribute.parent);
  EXPECT_EQ(token.attribute.name, "a.b");
  EXPECT_EQ(OneToken(R"(span.a"b \"c\" \\ "d)").attribute.name,
            R"(ab "c" \ d)");
}

TEST(Lexer, ScopesWithAColonAreTokensOfTheirOwn) {
  const std::vector<Token> tokens = Tokens("span: name");
  ASSERT_EQ(tokens.size(), 2u);
  EXPECT_EQ(tokens[0].kind, TokenKind::kScope);
  EXPECT_EQ(tokens[0].text, "span:");
  EXPECT_TRUE(tokens[1].IsWord("name"));
}

TEST(Lexer, NumbersHaveTheirTypes) {
  EXPECT_EQ(OneToken("017").integer, 17);
  EXPECT_EQ(OneToken("9223372036854775807").integer, INT64_MAX);
  EXPECT_EQ(OneToken("1.5e-3").number, 0.0015);
  EXPECT_EQ(OneToken(".5").kind, TokenKind::kFloat);
  EXPECT_EQ(OneToken("1d12h").duration, 36h);
  EXPECT_EQ(OneToken("1.5m").duration, 90s);
}

TEST(Lexer, PositionsCountLinesAndCharacters) {
  const std::vector<Token> tokens = Tokens("{ .ö\n /* é\n */ = }");
  ASSERT_EQ(tokens.size(), 4u);
  EXPECT_EQ(tokens[2].position.line, 3u);
  EXPECT_EQ(tokens[2].position.column, 5u);
  EXPECT_EQ(tokens[2].offset_bytes, 17u);
}

TEST(Lexer, CharactersThatBeginNothingAreUnknownTokens) {
  EXPECT_EQ(OneToken("[").kind, TokenKind::kUnknown);
  EXPECT_EQ(OneToken("&").kind, TokenKind::kUnknown);
}

TEST(ParseDuration, TriesPrometheusThenGo) {
  std::chrono::nanoseconds d{};
  EXPECT_TRUE(ParseDuration("1y2w3d4h5m6s7ms", &d));
  EXPECT_EQ(d, 24h * (365 + 14 + 3) + 4h + 5min + 6s + 7ms);
  EXPECT_TRUE(ParseDuration("1ms1s", &d));
  EXPECT_EQ(d, 1001ms);
  EXPECT_TRUE(ParseDuration("10µs", &d));
  EXPECT_EQ(d, 10us);
  for (const std::string_view text :
       {"", "1.5d", "12h1d", "1d1d", "1", "1x", "300y", "-", "d"}) {
    EXPECT_FALSE(ParseDuration(text, &d)) << text;
  }
}

TEST(Unescape, KnowsGoEscapes) {
  std::string out;
  size_t bad = 0;
  EXPECT_TRUE(
      Unescape(R"(\a\b\f\n\r\t\v\\\"\x41\101\u00e9\U0001F680)", &out, &bad));
  EXPECT_EQ(out, "\a\b\f\n\r\t\v\\\"AAé🚀");
  EXPECT_FALSE(Unescape(R"(ab\q)", &out, &bad));
  EXPECT_EQ(bad, 2u);
}

}  // namespace
}  // namespace khtrace::traceql
