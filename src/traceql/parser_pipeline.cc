// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <utility>

#include "traceql/parser_impl.h"
#include "traceql/suggest.h"

// What stands outside { }: filters, their combinations, stages, numbers.

namespace khtrace::traceql {
namespace {

std::optional<AggregateOp> AggregateOpOf(const Token& token) {
  if (token.kind != TokenKind::kWord) return std::nullopt;
  for (const AggregateOp op :
       {AggregateOp::kCount, AggregateOp::kMin, AggregateOp::kMax,
        AggregateOp::kAvg, AggregateOp::kSum}) {
    if (token.source == Name(op)) return op;
  }
  return std::nullopt;
}

constexpr std::string_view kStageExpected =
    "a filter { … }, an aggregate with a comparison, by(…), select(…), "
    "coalesce() or a metrics function";

constexpr std::string_view kOperandExpected =
    "a filter { … }, an aggregate, a number or '('";
constexpr std::string_view kSpansetExpected = "a filter { … } or '('";

}  // namespace

std::string_view Parser::ExpectedBeside(Shape left) {
  switch (left) {
    case Shape::kSpanset:
    case Shape::kPipelines:
      return kSpansetExpected;
    case Shape::kMetrics:
      return "a number or a metrics query in parentheses";
    default:
      return "a number, an aggregate or '('";
  }
}

// pipeline [ "|" metrics ], or one operand that is no pipeline.
Result<Parser::Operand> Parser::ParseBody(bool in_parentheses) {
  if (token_.IsWord("coalesce")) {
    return Unexpected("a filter { … }, an aggregate, by(…) or select(…)",
                      "coalesce() cannot begin a pipeline");
  }
  ASSIGN_OR_RETURN(Operand first, ParseStage(true));
  switch (first.shape) {
    case Shape::kMetrics:
      RETURN_IF_ERROR(ParseSecondStages(&first));
      return first;
    case Shape::kSpanset:
    case Shape::kFilter:
    case Shape::kStages:
      return ParseStages(std::move(first), in_parentheses);
    case Shape::kPipelines:
    case Shape::kConstant:
    case Shape::kScalar:
    case Shape::kScalarPipeline:
    case Shape::kPipelineFilter:
      break;
  }
  return first;
}

Result<Parser::Operand> Parser::ParseStages(Operand first,
                                            bool in_parentheses) {
  if (!token_.Is("|")) return first;
  Operand all{Shape::kStages, Pipeline(), first.height, false, first.position};
  auto& stages = std::get<Pipeline>(all.node).stages;
  const auto add = [&stages](Operand stage) {
    if (auto* spanset = std::get_if<SpansetExpr>(&stage.node)) {
      stages.emplace_back(std::move(*spanset));
    } else if (auto* filter = std::get_if<ScalarFilter>(&stage.node)) {
      stages.emplace_back(std::move(*filter));
    } else {
      auto& one = std::get<Pipeline>(stage.node).stages;
      stages.push_back(std::move(one.front()));
    }
  };
  add(std::move(first));
  while (token_.Is("|")) {
    RETURN_IF_ERROR(Advance());
    if (MetricsOpOf(token_)) {
      return ParseMetrics(std::get<Pipeline>(std::move(all.node)),
                          all.height + 1);
    }
    const Position at = token_.position;
    ASSIGN_OR_RETURN(Operand stage, ParseStage(false));
    all.height = std::max(all.height, stage.height);
    switch (stage.shape) {
      case Shape::kSpanset:
      case Shape::kFilter:
      case Shape::kStages:
        add(std::move(stage));
        continue;
      case Shape::kScalar:
        if (in_parentheses && token_.Is(")")) {
          return ParseAggregateEnd(std::get<Pipeline>(std::move(all.node)),
                                   std::move(stage), all.height + 1);
        }
        return Unexpected("an operator and what to compare with",
                          "an aggregate filters with a comparison: count() > "
                          "1");
      case Shape::kConstant:
        return FailAt(at,
                      "syntax error: a stage of a pipeline cannot be a "
                      "number or a comparison of numbers");
      default:
        return FailAt(at,
                      "syntax error: a pipeline in parentheses cannot be a "
                      "stage of another pipeline");
    }
  }
  return all;
}

// The aggregate that ends a pipeline in parentheses, `({} | count())`.
Result<Parser::Operand> Parser::ParseAggregateEnd(Pipeline pipeline,
                                                  Operand aggregate,
                                                  int height) {
  auto& scalar = std::get<ScalarExpr>(aggregate.node);
  if (aggregate.parenthesised ||
      !std::holds_alternative<Aggregate>(scalar.node)) {
    return FailAt(aggregate.position,
                  "syntax error: only a single aggregate can end a pipeline in "
                  "parentheses");
  }
  ScalarExpr expr;
  expr.position = aggregate.position;
  expr.node = ScalarPipeline{std::move(pipeline),
                             std::get<Aggregate>(std::move(scalar.node))};
  return Operand{Shape::kScalarPipeline, std::move(expr),
                 std::max(height, aggregate.height) + 1, false,
                 aggregate.position};
}

Result<Parser::Operand> Parser::ParseStage(bool first) {
  if (token_.IsWord("by")) return ParseGroupBy();
  if (token_.IsWord("select")) return ParseSelect();
  if (!first && token_.IsWord("coalesce")) return ParseCoalesce();
  ASSIGN_OR_RETURN(
      Operand stage,
      ParseExpr(kLogicPrecedence,
                previous_ == "|" ? kStageExpected : kOperandExpected));
  // `{} | (count() > 1)`: in parentheses it is a pipeline of its own.
  if (first || !stage.parenthesised || stage.shape != Shape::kFilter) {
    return stage;
  }
  return FailAt(stage.position,
                "syntax error: a pipeline in parentheses cannot be a stage of "
                "another pipeline",
                "remove the parentheses");
}

Result<Parser::Operand> Parser::ParseExpr(int min_precedence,
                                          std::string_view expected) {
  const Nested nested(&depth_);
  RETURN_IF_ERROR(CheckDepth());
  ASSIGN_OR_RETURN(Operand left, ParseOperand(expected));
  for (;;) {
    const OperatorInfo* op = FindOperator(token_);
    if (op == nullptr || op->precedence < min_precedence) return left;
    RETURN_IF_ERROR(CheckLeft(left, *op));
    const Position at = token_.position;
    RETURN_IF_ERROR(Advance());
    const bool right_associative = op->binary == BinaryOp::kPow;
    ASSIGN_OR_RETURN(Operand right,
                     ParseExpr(op->precedence + (right_associative ? 0 : 1),
                               ExpectedBeside(left.shape)));
    ASSIGN_OR_RETURN(left, Combine(*op, at, std::move(left), std::move(right)));
    RETURN_IF_ERROR(CheckHeight(left.height));
  }
}

Result<Parser::Operand> Parser::ParseOperand(std::string_view expected) {
  if (token_.Is("(")) return ParseParentheses();
  if (token_.Is("{")) return ParseFilter();
  if (token_.Is("-")) return ParseNegative(expected);
  switch (token_.kind) {
    case TokenKind::kInt:
    case TokenKind::kFloat:
    case TokenKind::kDuration:
      return ParseNumber();
    default:
      break;
  }
  if (AggregateOpOf(token_)) return ParseAggregate();
  return NoOperand(expected);
}

Error Parser::NoOperand(std::string_view what) {
  const std::string expected(what);
  const bool spans = what == kStageExpected || what == kOperandExpected ||
                     what == kSpansetExpected;
  if (MetricsOpOf(token_)) {
    return Unexpected(expected,
                      "a metrics function comes after a pipeline: {} | rate()");
  }
  if (token_.IsWord("topk") || token_.IsWord("bottomk")) {
    return Unexpected(expected,
                      "topk and bottomk come after a metrics function");
  }
  if (token_.IsWord("by") || token_.IsWord("select") ||
      token_.IsWord("coalesce")) {
    return Unexpected(expected, "stages are joined by '|'");
  }
  if (!spans && token_.kind != TokenKind::kSymbol) return Unexpected(expected);
  if (token_.kind == TokenKind::kAttribute ||
      token_.kind == TokenKind::kScope ||
      FindIntrinsic(token_.source) != Intrinsic::kNone) {
    return Unexpected(expected, "conditions on spans stand in braces: { … }");
  }
  if (token_.kind == TokenKind::kWord) {
    return Unexpected(expected, SuggestFunction(token_.source));
  }
  return Unexpected(expected, SuggestOperand(previous_, token_.source));
}

Result<Parser::Operand> Parser::ParseParentheses() {
  const Position at = token_.position;
  RETURN_IF_ERROR(Advance());
  ASSIGN_OR_RETURN(Operand inner, ParseBody(true));
  if (!token_.Is(")")) {
    return Unexpected("an operator, '|' or ')'",
                      SuggestOperator(token_.source, false));
  }
  RETURN_IF_ERROR(Advance());
  inner.parenthesised = true;
  inner.position = at;
  Pipeline pipeline;
  if (inner.shape == Shape::kStages) {
    pipeline = std::get<Pipeline>(std::move(inner.node));
  } else if (inner.shape == Shape::kFilter ||
             inner.shape == Shape::kPipelineFilter) {
    pipeline.stages.emplace_back(std::get<ScalarFilter>(std::move(inner.node)));
  } else {
    return inner;
  }
  SpansetExpr expr;
  expr.position = at;
  expr.node = Box<Pipeline>(std::move(pipeline));
  inner.shape = Shape::kPipelines;
  inner.node = std::move(expr);
  ++inner.height;
  RETURN_IF_ERROR(CheckHeight(inner.height));
  return inner;
}

Result<Parser::Operand> Parser::ParseFilter() {
  SpansetExpr expr;
  expr.position = token_.position;
  const Position at = token_.position;
  RETURN_IF_ERROR(Advance());
  Sized<FieldExpr> condition;
  if (token_.Is("}")) {
    condition.node = {Static(true), token_.position};
  } else {
    ASSIGN_OR_RETURN(condition, ParseField(kLogicPrecedence));
  }
  if (!token_.Is("}")) {
    return Unexpected("an operator or '}'",
                      SuggestOperator(token_.source, true));
  }
  RETURN_IF_ERROR(Advance());
  expr.node = SpansetFilter{std::move(condition.node)};
  return Operand{Shape::kSpanset, std::move(expr), 1, false, at};
}

Result<Parser::Operand> Parser::ParseNumber() {
  ScalarExpr expr;
  expr.position = token_.position;
  const Position at = token_.position;
  ASSIGN_OR_RETURN(std::optional<Static> literal, TryLiteral());
  expr.node = *std::move(literal);
  return Operand{Shape::kConstant, std::move(expr), 1, false, at};
}

// Outside { } a minus belongs to the number that follows it, before any other
// operator: -2 ^ count() is (-2) ^ count().
Result<Parser::Operand> Parser::ParseNegative(std::string_view expected) {
  const Nested nested(&depth_);
  RETURN_IF_ERROR(CheckDepth());
  const Position at = token_.position;
  RETURN_IF_ERROR(Advance());
  ASSIGN_OR_RETURN(Operand operand, ParseOperand(expected));
  if (operand.shape != Shape::kConstant) {
    return FailAt(at,
                  "syntax error: outside { } a minus stands before numbers "
                  "alone",
                  "write 0 - … instead");
  }
  operand.position = at;
  auto& expr = std::get<ScalarExpr>(operand.node);
  if (auto* literal = std::get_if<Static>(&expr.node)) {
    expr.position = at;
    if (auto* integer = std::get_if<int64_t>(&literal->value)) {
      *integer = -*integer;
    } else if (auto* number = std::get_if<double>(&literal->value)) {
      *number = -*number;
    } else {
      auto& duration = std::get<std::chrono::nanoseconds>(literal->value);
      duration = -duration;
    }
    return operand;
  }
  ScalarExpr negate;
  negate.position = at;
  negate.node = ScalarNegate{std::move(expr)};
  operand.node = std::move(negate);
  ++operand.height;
  RETURN_IF_ERROR(CheckHeight(operand.height));
  return operand;
}

Result<Parser::Operand> Parser::ParseAggregate() {
  ScalarExpr expr;
  expr.position = token_.position;
  const Position at = token_.position;
  Aggregate aggregate{*AggregateOpOf(token_), std::nullopt};
  const std::string name(Name(aggregate.op));
  RETURN_IF_ERROR(Advance());
  RETURN_IF_ERROR(Expect("(", "'(' after " + name));
  if (aggregate.op == AggregateOp::kCount) {
    if (!token_.Is(")")) {
      return Unexpected("')': count() takes no argument");
    }
  } else {
    ASSIGN_OR_RETURN(Sized<FieldExpr> operand, ParseField(kLogicPrecedence));
    aggregate.operand = std::move(operand.node);
  }
  if (!token_.Is(")")) {
    return Unexpected("an operator or ')'",
                      SuggestOperator(token_.source, true));
  }
  RETURN_IF_ERROR(Advance());
  expr.node = std::move(aggregate);
  return Operand{Shape::kScalar, std::move(expr), 1, false, at};
}

Result<Parser::Operand> Parser::ParseGroupBy() {
  Operand stage{Shape::kStages, Pipeline(), 1, false, token_.position};
  RETURN_IF_ERROR(Advance());
  RETURN_IF_ERROR(Expect("(", "'(' after by"));
  ASSIGN_OR_RETURN(Sized<FieldExpr> key, ParseField(kLogicPrecedence));
  if (!token_.Is(")")) {
    return Unexpected("an operator or ')'",
                      token_.Is(",")
                          ? "by() takes one expression here; group twice with "
                            "by(…) | by(…)"
                          : SuggestOperator(token_.source, true));
  }
  RETURN_IF_ERROR(Advance());
  std::get<Pipeline>(stage.node)
      .stages.emplace_back(GroupBy{std::move(key.node)});
  return stage;
}

Result<Parser::Operand> Parser::ParseSelect() {
  Operand stage{Shape::kStages, Pipeline(), 1, false, token_.position};
  RETURN_IF_ERROR(Advance());
  RETURN_IF_ERROR(Expect("(", "'(' after select"));
  ASSIGN_OR_RETURN(std::vector<Attribute> list, ParseAttributeList());
  RETURN_IF_ERROR(Expect(")", "',' or ')' after an attribute"));
  std::get<Pipeline>(stage.node).stages.emplace_back(Select{std::move(list)});
  return stage;
}

Result<Parser::Operand> Parser::ParseCoalesce() {
  Operand stage{Shape::kStages, Pipeline(), 1, false, token_.position};
  RETURN_IF_ERROR(Advance());
  RETURN_IF_ERROR(Expect("(", "'(' after coalesce"));
  RETURN_IF_ERROR(Expect(")", "')': coalesce() takes no argument"));
  std::get<Pipeline>(stage.node).stages.emplace_back(Coalesce());
  return stage;
}

}  // namespace khtrace::traceql
