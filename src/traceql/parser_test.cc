// SPDX-License-Identifier: Apache-2.0
#include "traceql/parser.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/text.h"
#include "traceql/checker.h"
#include "traceql/printer.h"

namespace khtrace::traceql {
namespace {

using testing::HasSubstr;

std::string Repeat(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

Query Parse(std::string_view text) {
  auto query = ParseQuery(text);
  EXPECT_TRUE(query) << text << ": " << query.error().message;
  return query ? *std::move(query) : Query();
}

const FieldExpr& Condition(const Query& query) {
  const auto& pipeline = std::get<Pipeline>(query.root);
  const auto& spanset = std::get<SpansetExpr>(pipeline.stages.at(0));
  return std::get<SpansetFilter>(spanset.node).condition;
}

// --- What the tree looks like -------------------------------------------

TEST(Parser, FilterHoldsTypedLiteralsAndReferences) {
  const Query query = Parse("{ resource.service.name = \"cart\" }");
  const auto& equal = std::get<FieldBinary>(Condition(query).node);
  EXPECT_EQ(equal.op, BinaryOp::kEqual);
  Attribute service;
  service.scope = AttributeScope::kResource;
  service.name = "service.name";
  EXPECT_EQ(std::get<Attribute>(equal.left->node), service);
  EXPECT_EQ(std::get<Static>(equal.right->node), Static(std::string("cart")));
}

TEST(Parser, EmptyFilterIsTrue) {
  EXPECT_EQ(std::get<Static>(Condition(Parse("{}")).node), Static(true));
}

TEST(Parser, BothSpellingsOfAnIntrinsicAreOne) {
  EXPECT_TRUE(Parse("{ span:duration > 1s }") == Parse("{ duration > 1s }"));
  EXPECT_FALSE(Parse("{ span.duration > 1s }") == Parse("{ duration > 1s }"));
}

TEST(Parser, ConstantsAreNotFolded) {
  const Query query = Parse("{ 1 + 1 = 2 }");
  const auto& equal = std::get<FieldBinary>(Condition(query).node);
  EXPECT_TRUE(std::holds_alternative<FieldBinary>(equal.left->node));
}

TEST(Parser, ComparingWithNilIsExistence) {
  const Query query = Parse("{ nil != .a }");
  const auto& exists = std::get<FieldUnary>(Condition(query).node);
  EXPECT_EQ(exists.op, UnaryOp::kExists);
}

TEST(Parser, PipelineKeepsItsStagesInOrder) {
  const Query query =
      Parse("{ .a } | by(.b) | count() > 1 | coalesce() | select(.c)");
  const auto& stages = std::get<Pipeline>(query.root).stages;
  ASSERT_EQ(stages.size(), 5u);
  EXPECT_TRUE(std::holds_alternative<SpansetExpr>(stages[0]));
  EXPECT_TRUE(std::holds_alternative<GroupBy>(stages[1]));
  EXPECT_TRUE(std::holds_alternative<ScalarFilter>(stages[2]));
  EXPECT_TRUE(std::holds_alternative<Coalesce>(stages[3]));
  EXPECT_TRUE(std::holds_alternative<Select>(stages[4]));
}

TEST(Parser, MetricsQueryHasPipelineAggregateAndSecondStages) {
  const Query query = Parse(
      "{ .a } | quantile_over_time(duration, 0.5, 1) by (name) | topk(3) > 2");
  ASSERT_TRUE(query.is_metrics());
  const auto& metrics = std::get<MetricsExpr>(query.root);
  const auto& inner = std::get<MetricsQuery>(metrics.node);
  EXPECT_EQ(inner.aggregate.op, MetricsOp::kQuantileOverTime);
  EXPECT_EQ(inner.aggregate.attribute->intrinsic, Intrinsic::kDuration);
  EXPECT_EQ(inner.aggregate.quantiles, (std::vector<double>{0.5, 1}));
  ASSERT_EQ(inner.aggregate.by.size(), 1u);
  ASSERT_EQ(metrics.stages.size(), 2u);
  EXPECT_EQ(std::get<TopK>(metrics.stages[0]).limit, 3);
  EXPECT_EQ(std::get<SampleFilter>(metrics.stages[1]).op, BinaryOp::kGreater);
}

TEST(Parser, HintsAreFoundByNameAndType) {
  const Query query = Parse("{ } with(a=true, a=1, a=2, b=\"x\")");
  EXPECT_EQ(*FindHint(query, "a", Type::kInt), Static(int64_t{1}));
  EXPECT_EQ(*FindHint(query, "a", Type::kBool), Static(true));
  EXPECT_EQ(FindHint(query, "b", Type::kInt), nullptr);
  EXPECT_EQ(FindHint(query, "c", Type::kInt), nullptr);
}

TEST(Parser, CopiesOfATreeAreDeepAndEqual) {
  const Query query = Parse("({ .a } | count() > 1) >> ({ .b && .c = 2 })");
  Query copy = query;
  EXPECT_TRUE(copy == query);
  auto& stage = std::get<Pipeline>(copy.root).stages[0];
  auto& binary = std::get<SpansetBinary>(std::get<SpansetExpr>(stage).node);
  binary.op = SpansetOp::kChild;
  EXPECT_FALSE(copy == query);
}

TEST(Parser, ConstantsOfScalarsAreRecognised) {
  const auto filter = [](const Query& query) {
    const auto& stage = std::get<Pipeline>(query.root).stages.at(0);
    return std::get<ScalarFilter>(stage);
  };
  const ScalarFilter plain = filter(Parse("count() > -(1 + 2) * 3"));
  EXPECT_FALSE(IsConstant(plain.left));
  EXPECT_TRUE(IsConstant(plain.right));
  EXPECT_FALSE(IsConstant(filter(Parse("1 + count() > 2")).left));
  EXPECT_FALSE(IsConstant(filter(Parse("({ } | count()) > 2")).left));
}

// --- What errors say ----------------------------------------------------

TEST(ParserErrors, NameLineColumnFoundExpectedAndSuggestion) {
  Diagnostic d;
  const auto query = ParseQuery("{ .a = 1 &&\n  statsu = ok }", {}, &d);
  ASSERT_FALSE(query);
  EXPECT_EQ(query.error().code, Code::kInvalidArgument);
  EXPECT_EQ(query.error().message,
            "parse error at line 2, col 3: unknown identifier: statsu; did you "
            "mean 'status'?");
  EXPECT_EQ(d.position.line, 2u);
  EXPECT_EQ(d.position.column, 3u);
  EXPECT_EQ(d.suggestion, "did you mean 'status'?");
}

TEST(ParserErrors, ColumnsCountCharactersNotBytes) {
  Diagnostic d;
  EXPECT_FALSE(ParseQuery("{ .größe = \"大小\" ) }", {}, &d));
  EXPECT_EQ(d.position.column, 17u);
  EXPECT_EQ(d.found, "')'");
  EXPECT_EQ(d.expected, "an operator or '}'");
}

TEST(ParserErrors, LongTokensAreCutInMessages) {
  const std::string x(10'000, 'x');
  for (const std::string& text :
       {"{ .a \"" + x + "\" }", "{ " + x + " }", "{ " + x + ".y }",
        "{ x." + x + " }", "{ Span." + x + " }", "{ span:" + x + " }",
        "{ 1" + x + " }", "{ .a = " + std::string(10'000, '1') + " }",
        "{ 1é" + Repeat("é", 100) + " }", x, "{ } | " + x + "()",
        "{ } | select(" + x + ")", "{ } | rate() | " + x + "(1)"}) {
    const auto query = ParseQuery(text);
    ASSERT_FALSE(query);
    EXPECT_LT(query.error().message.size(), 500u);
    EXPECT_TRUE(IsValidUtf8(query.error().message));
  }
}

TEST(ParserErrors, EmptyTextIsNoQuery) {
  for (const std::string_view text : {"", " ", "\n\t", "// only a comment"}) {
    const auto query = ParseQuery(text);
    ASSERT_FALSE(query);
    EXPECT_THAT(query.error().message,
                HasSubstr("unexpected the end of the query"));
  }
}

TEST(ParserErrors, BytesThatAreNoTextAreRefused) {
  Diagnostic d;
  EXPECT_FALSE(ParseQuery("{ .a = \"x\xff\" }", {}, &d));
  EXPECT_EQ(d.message, "the query is not valid UTF-8");
  EXPECT_EQ(d.position.column, 10u);
  EXPECT_FALSE(ParseQuery("{ .\xc3 }", {}, &d));
  EXPECT_EQ(d.position.column, 4u);
  EXPECT_FALSE(ParseQuery(std::string_view("{ }\0", 4), {}, &d));
  EXPECT_EQ(d.position.column, 4u);
}

TEST(ParserErrors, CarriageReturnsInRawStringsAreDropped) {
  EXPECT_TRUE(Parse("{ .a = `x\r\ny` }") == Parse(R"({ .a = "x\ny" })"));
}

// --- Limits -------------------------------------------------------------

TEST(ParserLimits, LongQueriesAreRefusedBeforeTheyAreRead) {
  Diagnostic d;
  const std::string megabyte = "{ " + Repeat("x", 1 << 20) + " }";
  EXPECT_FALSE(ParseQuery(megabyte, {}, &d));
  EXPECT_EQ(d.kind, Diagnostic::Kind::kLimit);
  EXPECT_EQ(d.message, "1048580 bytes, the limit is 131072");
  const std::string fits = "{ .a = \"" + Repeat("x", 131072 - 11) + "\" }";
  EXPECT_EQ(fits.size(), 131072u);
  EXPECT_TRUE(ParseQuery(fits));
  EXPECT_FALSE(ParseQuery(fits + " "));
}

TEST(ParserLimits, DeepNestingIsRefusedWithOneError) {
  for (const std::string& text :
       {Repeat("(", 10'000), "{ " + Repeat("(", 10'000),
        "{ " + Repeat("!", 10'000) + ".a }",
        "{ " + Repeat("-", 10'000) + ".a }",
        Repeat("-", 10'000) + "1 > count()", "{ " + Repeat("nil = ", 10'000),
        "{ .a" + Repeat(" ^ .a", 10'000) + " }",
        "{ .a" + Repeat(" || .a", 10'000) + " }",
        "{ .a" + Repeat(" = nil", 10'000) + " }",
        "{ }" + Repeat(" >> { }", 10'000),
        "count() > 1" + Repeat(" + 1", 10'000),
        "({} | rate())" + Repeat(" + 1", 10'000),
        Repeat("(", 10'000) + "{ } | rate()" + Repeat(")", 10'000),
        Repeat("({ .a } && ", 9'000) + "{ .a }" + Repeat(")", 9'000),
        "max(" + Repeat("(", 10'000) + ".a" + Repeat(")", 10'000) + ") > 1"}) {
    Diagnostic d;
    EXPECT_FALSE(ParseQuery(text, {}, &d));
    EXPECT_EQ(d.kind, Diagnostic::Kind::kLimit) << text.substr(0, 50);
    EXPECT_THAT(d.message,
                testing::ContainsRegex("nest deeper than (300|100) levels"));
  }
}

// Stages are a list, not a nest.
TEST(ParserLimits, LongListsAreNotDeep) {
  EXPECT_TRUE(ParseQuery("{ }" + Repeat(" | { .a }", 5'000)));
  EXPECT_TRUE(ParseQuery("{ } | select(.a" + Repeat(", .a", 5'000) + ")"));
  EXPECT_TRUE(ParseQuery("{ } | rate()" + Repeat(" > 1", 5'000)));
  EXPECT_TRUE(ParseQuery("{ } with(a=1" + Repeat(", a=1", 5'000) + ")"));
  EXPECT_TRUE(ParseQuery("{ }" + Repeat(" with(a=1)", 5'000)));
}

// Parsed, checked, printed, copied, compared and freed.
void ExpectLives(const std::string& text) {
  const auto query = ParseQuery(text);
  ASSERT_TRUE(query) << query.error().message;
  (void)CheckQuery(*query);
  const Query copy = *query;
  const auto again = ParseQuery(Print(copy));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(*again == *query);
}

TEST(ParserLimits, DeepestQueriesFitIntoTheStack) {
  constexpr int kDepth = 299;
  ExpectLives("{ " + Repeat("(", 600) + ".a" + Repeat(")", 600) + " }");
  ExpectLives("{ " + Repeat("!", kDepth) + ".a }");
  ExpectLives("{ .a" + Repeat(" || .a && .b", kDepth / 2) + " }");
  ExpectLives("{ .a" + Repeat(" * -2", kDepth / 2 - 1) + " = 1 }");
  ExpectLives("{ " + Repeat("2 * -(", kDepth / 3) + ".a" +
              Repeat(")", kDepth / 3) + " > 1 }");
  ExpectLives("{ .a" + Repeat(" = nil", kDepth) + " }");
}

TEST(ParserLimits, DeepestQueriesOutsideBracesFitIntoTheStack) {
  constexpr int kDepth = 96;  // and some for what is inside
  const std::string deep =
      "{ " + Repeat("(", 600) + ".a" + Repeat(")", 600) + " }";
  ExpectLives(deep + Repeat(" >> { }", kDepth));
  ExpectLives(deep + Repeat(" || { .a } && { .b }", kDepth / 2));
  ExpectLives(Repeat("({ .a } && ", kDepth) + deep + Repeat(")", kDepth));
  ExpectLives(Repeat("({ .a } | { .b }) && (", kDepth / 2) + deep +
              " | { .b }" + Repeat(")", kDepth / 2));
  ExpectLives("count() > 1" + Repeat(" - (1", kDepth) + Repeat(")", kDepth));
  ExpectLives("({} | rate())" + Repeat(" * 2", kDepth));
  ExpectLives(Repeat("2 * (", kDepth / 2) + "(" + deep + " | rate() > 1)" +
              Repeat(" > 1)", kDepth / 2));
}

// --- ParseAttribute -----------------------------------------------------

TEST(ParseAttribute, TakesOneReference) {
  for (const std::string_view text :
       {".a", "span.a", "resource.service.name", "parent.span.x", "name",
        "span:id", "event:name", "span.\"a b\"", "trace:id", "perf:grade"}) {
    const auto attribute = ParseAttribute(text);
    ASSERT_TRUE(attribute) << attribute.error().message;
    EXPECT_EQ(ToString(*attribute), text);
  }
  const auto canonical = ParseAttribute(" span:kind ");
  ASSERT_TRUE(canonical);
  EXPECT_EQ(ToString(*canonical), "kind");
}

TEST(ParseAttribute, RefusesEverythingElse) {
  for (const std::string_view text :
       {"", "service.name", ".a b", ".a = 1", "{ .a }", "span.", "span:x",
        "\"a\"", "1", "count()", ".a, .b"}) {
    EXPECT_FALSE(ParseAttribute(text)) << text;
  }
  Diagnostic d;
  EXPECT_FALSE(ParseAttribute("service.name", &d));
  EXPECT_EQ(d.suggestion,
            "attributes need a scope: did you mean 'resource.service.name'?");
}

}  // namespace
}  // namespace khtrace::traceql
