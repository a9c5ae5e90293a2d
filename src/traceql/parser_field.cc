// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <utility>

#include "traceql/parser_impl.h"
#include "traceql/suggest.h"
#include "traceql/utf8.h"

// What stands inside { }, by( ) and the aggregates.

namespace khtrace::traceql {
namespace {

constexpr std::string_view kOperandExpected =
    "a value, an attribute, an intrinsic or '('";

std::optional<Static> WordLiteral(std::string_view word) {
  if (word == "true") return Static(true);
  if (word == "false") return Static(false);
  if (word == "minInt") return Static(std::numeric_limits<int64_t>::min());
  if (word == "maxInt") return Static(std::numeric_limits<int64_t>::max());
  for (const auto status : {model::StatusCode::kUnset, model::StatusCode::kOk,
                            model::StatusCode::kError}) {
    if (word == StatusName(status)) return Static(status);
  }
  for (const auto kind :
       {model::SpanKind::kUnspecified, model::SpanKind::kInternal,
        model::SpanKind::kServer, model::SpanKind::kClient,
        model::SpanKind::kProducer, model::SpanKind::kConsumer}) {
    if (word == KindName(kind)) return Static(kind);
  }
  return std::nullopt;
}

std::optional<Static> LiteralOf(const Token& token) {
  switch (token.kind) {
    case TokenKind::kString:
      return Static(token.text);
    case TokenKind::kInt:
      return Static(token.integer);
    case TokenKind::kFloat:
      return Static(token.number);
    case TokenKind::kDuration:
      return Static(token.duration);
    case TokenKind::kWord:
      return WordLiteral(token.source);
    default:
      return std::nullopt;
  }
}

}  // namespace

Result<std::optional<Static>> Parser::TryLiteral() {
  std::optional<Static> literal = LiteralOf(token_);
  if (literal) RETURN_IF_ERROR(Advance());
  return literal;
}

Result<std::optional<Attribute>> Parser::TryAttribute() {
  std::optional<Attribute> none;
  if (token_.kind == TokenKind::kAttribute) {
    Attribute attribute = token_.attribute;
    RETURN_IF_ERROR(Advance());
    return std::optional(std::move(attribute));
  }
  Attribute intrinsic;
  intrinsic.position = token_.position;
  if (token_.kind == TokenKind::kScope) {
    const std::string scope = token_.text;
    RETURN_IF_ERROR(Advance());
    if (token_.kind == TokenKind::kWord) {
      intrinsic.intrinsic = FindIntrinsic(scope + token_.text);
    }
    if (intrinsic.intrinsic == Intrinsic::kNone) {
      return Unexpected("an intrinsic after '" + scope + "'",
                        SuggestIntrinsic(scope, token_.source));
    }
  } else if (token_.kind == TokenKind::kWord) {
    intrinsic.intrinsic = FindIntrinsic(token_.text);
  }
  if (intrinsic.intrinsic == Intrinsic::kNone) return none;
  RETURN_IF_ERROR(Advance());
  return std::optional(std::move(intrinsic));
}

Result<Attribute> Parser::ParseAttributeReference() {
  ASSIGN_OR_RETURN(std::optional<Attribute> attribute, TryAttribute());
  if (attribute) return *std::move(attribute);
  std::string suggestion;
  if (token_.kind == TokenKind::kWord && !LiteralOf(token_)) {
    suggestion = SuggestValue(token_.source, lexer_.rest());
  }
  return Unexpected("an attribute or an intrinsic", suggestion);
}

Result<std::vector<Attribute>> Parser::ParseAttributeList() {
  std::vector<Attribute> list;
  for (;;) {
    ASSIGN_OR_RETURN(Attribute attribute, ParseAttributeReference());
    list.push_back(std::move(attribute));
    if (!token_.Is(",")) return list;
    RETURN_IF_ERROR(Advance());
  }
}

Result<Parser::Sized<FieldExpr>> Parser::ParseField(int min_precedence) {
  const Nested nested(&field_depth_);
  RETURN_IF_ERROR(CheckFieldDepth());
  ASSIGN_OR_RETURN(Sized<FieldExpr> left, ParseFieldOperand());
  for (;;) {
    const OperatorInfo* op = FindOperator(token_);
    if (op == nullptr || !op->binary || op->precedence < min_precedence) {
      return left;
    }
    const Position at = token_.position;
    RETURN_IF_ERROR(Advance());
    int height = left.height;
    FieldExpr expr;
    expr.position = at;
    const bool equality =
        op->binary == BinaryOp::kEqual || op->binary == BinaryOp::kNotEqual;
    if (equality && token_.IsWord("nil")) {
      RETURN_IF_ERROR(Advance());
      expr.node =
          FieldUnary{op->binary == BinaryOp::kEqual ? UnaryOp::kNotExists
                                                    : UnaryOp::kExists,
                     std::move(left.node)};
    } else {
      const bool right_associative = op->binary == BinaryOp::kPow;
      ASSIGN_OR_RETURN(
          Sized<FieldExpr> right,
          ParseField(op->precedence + (right_associative ? 0 : 1)));
      height = std::max(height, right.height);
      expr.node =
          FieldBinary{*op->binary, std::move(left.node), std::move(right.node)};
    }
    left = {std::move(expr), height + 1};
    RETURN_IF_ERROR(CheckFieldHeight(left.height));
  }
}

Result<Parser::Sized<FieldExpr>> Parser::ParseFieldOperand() {
  if (token_.Is("(")) return ParseFieldParentheses();
  if (token_.Is("-")) return ParsePrefix(UnaryOp::kNegate, kAddPrecedence + 1);
  if (token_.Is("!")) return ParsePrefix(UnaryOp::kNot, kNotPrecedence + 1);
  if (token_.IsWord("nil")) return ParseNilComparison();

  FieldExpr expr;
  expr.position = token_.position;
  ASSIGN_OR_RETURN(std::optional<Static> literal, TryLiteral());
  if (literal) {
    expr.node = *std::move(literal);
    return Sized<FieldExpr>{std::move(expr)};
  }
  ASSIGN_OR_RETURN(std::optional<Attribute> attribute, TryAttribute());
  if (attribute) {
    expr.node = *std::move(attribute);
    return Sized<FieldExpr>{std::move(expr)};
  }
  if (token_.kind == TokenKind::kWord) {
    return FailAt(token_.position,
                  "unknown identifier: " + Shortened(token_.text),
                  SuggestValue(token_.source, lexer_.rest()));
  }
  return Unexpected(std::string(kOperandExpected),
                    SuggestOperand(previous_, token_.source));
}

Result<Parser::Sized<FieldExpr>> Parser::ParseFieldParentheses() {
  RETURN_IF_ERROR(Advance());
  ASSIGN_OR_RETURN(Sized<FieldExpr> inner, ParseField(kLogicPrecedence));
  if (!token_.Is(")")) {
    return Unexpected("an operator or ')'",
                      SuggestOperator(token_.source, true));
  }
  RETURN_IF_ERROR(Advance());
  return inner;
}

Result<Parser::Sized<FieldExpr>> Parser::ParsePrefix(UnaryOp op,
                                                     int operand_precedence) {
  FieldExpr expr;
  expr.position = token_.position;
  RETURN_IF_ERROR(Advance());
  ASSIGN_OR_RETURN(Sized<FieldExpr> operand, ParseField(operand_precedence));
  const int height = operand.height + 1;
  RETURN_IF_ERROR(CheckFieldHeight(height));
  expr.node = FieldUnary{op, std::move(operand.node)};
  return Sized<FieldExpr>{std::move(expr), height};
}

// nil stands only beside = and !=, and never becomes part of more: `nil = nil =
// .a` is `(nil = nil) = .a`.
Result<Parser::Sized<FieldExpr>> Parser::ParseNilComparison() {
  const Position nil_at = token_.position;
  RETURN_IF_ERROR(Advance());
  if (!token_.Is("=") && !token_.Is("!=")) {
    return Unexpected("'=' or '!=' after nil");
  }
  FieldExpr expr;
  expr.position = token_.position;
  const UnaryOp op = token_.Is("=") ? UnaryOp::kNotExists : UnaryOp::kExists;
  RETURN_IF_ERROR(Advance());
  if (token_.IsWord("nil")) {
    RETURN_IF_ERROR(Advance());
    expr.node = FieldUnary{op, FieldExpr{Static(Nil()), nil_at}};
    return Sized<FieldExpr>{std::move(expr), 2};
  }
  ASSIGN_OR_RETURN(Sized<FieldExpr> operand,
                   ParseField(kComparePrecedence + 1));
  const int height = operand.height + 1;
  RETURN_IF_ERROR(CheckFieldHeight(height));
  expr.node = FieldUnary{op, std::move(operand.node)};
  return Sized<FieldExpr>{std::move(expr), height};
}

}  // namespace khtrace::traceql
