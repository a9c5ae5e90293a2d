// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "traceql/parser_impl.h"

// What an operator means outside { }, by the shapes of its operands.

namespace khtrace::traceql {
namespace {

using B = BinaryOp;
using S = SpansetOp;

constexpr int kLogic = kLogicPrecedence;
constexpr int kCompare = kComparePrecedence;
constexpr std::array<OperatorInfo, 29> kOperators = {{
    {"&&", kLogic, B::kAnd, S::kAnd},
    {"||", kLogic, B::kOr, S::kOr},
    {"=", kCompare, B::kEqual, {}},
    {"!=", kCompare, B::kNotEqual, {}},
    {"=~", kCompare, B::kRegex, {}},
    {"!~", kCompare, B::kNotRegex, S::kNotSibling},
    {"<", kCompare, B::kLess, S::kParent},
    {"<=", kCompare, B::kLessEqual, {}},
    {">", kCompare, B::kGreater, S::kChild},
    {">=", kCompare, B::kGreaterEqual, {}},
    {">>", kCompare, {}, S::kDescendant},
    {"<<", kCompare, {}, S::kAncestor},
    {"~", kCompare, {}, S::kSibling},
    {"!>", kCompare, {}, S::kNotChild},
    {"!>>", kCompare, {}, S::kNotDescendant},
    {"!<", kCompare, {}, S::kNotParent},
    {"!<<", kCompare, {}, S::kNotAncestor},
    {"&>", kCompare, {}, S::kUnionChild},
    {"&>>", kCompare, {}, S::kUnionDescendant},
    {"&<", kCompare, {}, S::kUnionParent},
    {"&<<", kCompare, {}, S::kUnionAncestor},
    {"&~", kCompare, {}, S::kUnionSibling},
    {"+", kAddPrecedence, B::kAdd, {}},
    {"-", kAddPrecedence, B::kSub, {}},
    {"*", kMulPrecedence, B::kMul, {}},
    {"/", kMulPrecedence, B::kDiv, {}},
    {"%", kMulPrecedence, B::kMod, {}},
    {"^", kPowPrecedence, B::kPow, {}},
    {"", 0, {}, {}},  // the end: no token has an empty source
}};

bool HasDuration(const ScalarExpr& expr) {
  if (const auto* literal = std::get_if<Static>(&expr.node)) {
    return literal->type() == Type::kDuration;
  }
  if (const auto* negate = std::get_if<ScalarNegate>(&expr.node)) {
    return HasDuration(*negate->operand);
  }
  if (const auto* binary = std::get_if<ScalarBinary>(&expr.node)) {
    return HasDuration(*binary->left) || HasDuration(*binary->right);
  }
  return false;
}

constexpr std::string_view kNoDurations =
    "duration cannot be used in scalar arithmetic";

}  // namespace

const OperatorInfo* FindOperator(const Token& token) {
  if (token.kind != TokenKind::kSymbol) return nullptr;
  for (const OperatorInfo& info : kOperators) {
    if (info.symbol == token.source) return &info;
  }
  return nullptr;
}

// Says what is wrong at the operator already, before its right side.
Status Parser::CheckLeft(const Operand& left, const OperatorInfo& op) {
  switch (left.shape) {
    case Shape::kSpanset:
    case Shape::kPipelines:
      if (op.spanset) return {};
      return Unexpected(
          "an operator between spansets",
          "there are && || > >> < << ~ and the forms of structure "
          "with ! and &");
    case Shape::kConstant:
    case Shape::kScalar:
    case Shape::kScalarPipeline:
      if (op.binary && (IsArithmetic(*op.binary) || IsComparison(*op.binary))) {
        return {};
      }
      return Unexpected(
          "arithmetic or a comparison after a number or an "
          "aggregate");
    case Shape::kMetrics:
      if (op.binary && (IsComparison(*op.binary) ||
                        (IsArithmetic(*op.binary) && op.binary != B::kMod &&
                         op.binary != B::kPow))) {
        return {};
      }
      return Unexpected("one of + - * / or a comparison after a metrics query");
    case Shape::kFilter:
    case Shape::kPipelineFilter:
    case Shape::kStages:
      break;
  }
  return Unexpected("'|' or the end after a comparison",
                    "filters on aggregates are joined by '|'");
}

Result<Parser::Operand> Parser::Combine(const OperatorInfo& op, Position at,
                                        Operand left, Operand right) {
  const auto in = [](const Operand& operand, std::initializer_list<Shape> set) {
    return std::find(set.begin(), set.end(), operand.shape) != set.end();
  };
  if (in(left, {Shape::kSpanset, Shape::kPipelines})) {
    if (in(right, {Shape::kSpanset, Shape::kPipelines})) {
      return CombineSpansets(*op.spanset, at, std::move(left),
                             std::move(right));
    }
    return FailAt(right.position,
                  fmt::format("syntax error: the right side of '{}' must be a "
                              "filter or spansets in parentheses",
                              op.symbol));
  }
  if (!op.binary) return Unexpected("a comparison");  // CheckLeft refused it
  if (left.shape == Shape::kMetrics || right.shape == Shape::kMetrics) {
    return CombineMetrics(*op.binary, at, std::move(left), std::move(right));
  }
  if (in(right, {Shape::kConstant, Shape::kScalar, Shape::kScalarPipeline})) {
    return CombineScalars(*op.binary, at, std::move(left), std::move(right));
  }
  return FailAt(right.position,
                fmt::format("syntax error: the right side of '{}' must be a "
                            "number or an aggregate",
                            op.symbol));
}

Result<Parser::Operand> Parser::CombineSpansets(SpansetOp op, Position at,
                                                Operand left, Operand right) {
  const bool pipelines =
      left.shape == Shape::kPipelines || right.shape == Shape::kPipelines;
  for (const Operand* side : {&left, &right}) {
    if (!pipelines || side->shape == Shape::kPipelines || side->parenthesised) {
      continue;
    }
    return FailAt(at,
                  fmt::format("syntax error: '{}' combines a pipeline in "
                              "parentheses only with another one",
                              Symbol(op)),
                  "put the other side into parentheses too");
  }
  SpansetExpr expr;
  expr.position = at;
  expr.node = SpansetBinary{op, std::get<SpansetExpr>(std::move(left.node)),
                            std::get<SpansetExpr>(std::move(right.node))};
  return Operand{pipelines ? Shape::kPipelines : Shape::kSpanset,
                 std::move(expr), std::max(left.height, right.height) + 1,
                 false, left.position};
}

Result<Parser::Operand> Parser::CombineScalars(BinaryOp op, Position at,
                                               Operand left, Operand right) {
  const auto either = [&](Shape shape) {
    return left.shape == shape || right.shape == shape;
  };
  auto& a = std::get<ScalarExpr>(left.node);
  auto& b = std::get<ScalarExpr>(right.node);
  const bool constant =
      left.shape == Shape::kConstant && right.shape == Shape::kConstant;
  const bool pipeline = either(Shape::kScalarPipeline);
  if (pipeline && either(Shape::kScalar)) {
    return FailAt(at,
                  "syntax error: an aggregate of a pipeline in parentheses "
                  "combines only with another one or with a number",
                  "name the spans of the other side too: ({ … } | count())");
  }
  Operand out{Shape::kFilter, ScalarFilter(),
              std::max(left.height, right.height) + 1, false, left.position};
  if (IsArithmetic(op)) {
    if (constant && (HasDuration(a) || HasDuration(b))) {
      return FailAt(at, std::string(kNoDurations), "write it as one duration");
    }
    ScalarExpr expr;
    expr.position = at;
    expr.node = ScalarBinary{op, std::move(a), std::move(b)};
    out.node = std::move(expr);
    out.shape = constant ? Shape::kConstant
                         : (pipeline ? Shape::kScalarPipeline : Shape::kScalar);
    return out;
  }
  if (constant) {
    return FailAt(at,
                  "syntax error: a comparison of numbers alone; one side needs "
                  "an aggregate such as count()");
  }
  if (pipeline) out.shape = Shape::kPipelineFilter;
  out.node = ScalarFilter{op, std::move(a), std::move(b), at};
  return out;
}

Result<Parser::Operand> Parser::CombineMetrics(BinaryOp op, Position at,
                                               Operand left, Operand right) {
  for (const Operand* side : {&left, &right}) {
    if (side->shape == Shape::kMetrics || side->shape == Shape::kConstant) {
      continue;
    }
    return FailAt(side->position,
                  "syntax error: a metrics query combines only with numbers "
                  "and other metrics queries in parentheses");
  }
  if (IsComparison(op)) {
    if (left.shape != Shape::kMetrics || right.shape != Shape::kConstant) {
      return FailAt(at,
                    "syntax error: series are compared with a number that "
                    "stands on the right");
    }
    auto& metrics = std::get<MetricsExpr>(left.node);
    metrics.stages.emplace_back(
        SampleFilter{op, std::get<ScalarExpr>(std::move(right.node)), at});
    left.height = std::max(left.height, right.height + 1);
    left.parenthesised = false;
    return left;
  }
  if (op == B::kMod || op == B::kPow) {
    return FailAt(at, fmt::format("syntax error: metrics queries have no '{}'; "
                                  "there are + - * /",
                                  Symbol(op)));
  }
  const auto node = [](Operand operand) {
    if (operand.shape == Shape::kMetrics) {
      return std::get<MetricsExpr>(std::move(operand.node));
    }
    MetricsExpr number;
    number.position = operand.position;
    number.node = std::get<ScalarExpr>(std::move(operand.node));
    return number;
  };
  for (const Operand* side : {&left, &right}) {
    const auto* scalar = std::get_if<ScalarExpr>(&side->node);
    if (scalar == nullptr || !HasDuration(*scalar)) continue;
    return FailAt(at, std::string(kNoDurations),
                  "durations of metrics are seconds: write 1.5 for 1.5s");
  }
  const int height = std::max(left.height, right.height) + 1;
  const Position position = left.position;
  MetricsExpr expr;
  expr.position = at;
  expr.node = MetricsBinary{op, node(std::move(left)), node(std::move(right))};
  return Operand{Shape::kMetrics, std::move(expr), height, false, position};
}

}  // namespace khtrace::traceql
