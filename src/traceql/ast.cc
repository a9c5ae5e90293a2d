// SPDX-License-Identifier: Apache-2.0
#include "traceql/ast.h"

#include <array>

namespace khtrace::traceql {
namespace {

template <typename Enum, size_t n>
std::string_view At(const std::array<std::string_view, n>& names, Enum value) {
  return names[static_cast<size_t>(value)];
}

}  // namespace

std::string_view Symbol(BinaryOp op) {
  constexpr std::array<std::string_view, 16> kSymbols = {
      "&&", "||", "=", "!=", "=~", "!~", "<", "<=",
      ">",  ">=", "+", "-",  "*",  "/",  "%", "^"};
  return At(kSymbols, op);
}

std::string_view Symbol(SpansetOp op) {
  constexpr std::array<std::string_view, 17> kSymbols = {
      "&&", "||",  ">",  ">>", "<",   "<<", "~",   "!>", "!>>",
      "!<", "!<<", "!~", "&>", "&>>", "&<", "&<<", "&~"};
  return At(kSymbols, op);
}

std::string_view Name(AggregateOp op) {
  constexpr std::array<std::string_view, 5> kNames = {"count", "min", "max",
                                                      "avg", "sum"};
  return At(kNames, op);
}

std::string_view Name(MetricsOp op) {
  constexpr std::array<std::string_view, 9> kNames = {"rate",
                                                      "count_over_time",
                                                      "min_over_time",
                                                      "max_over_time",
                                                      "avg_over_time",
                                                      "sum_over_time",
                                                      "quantile_over_time",
                                                      "histogram_over_time",
                                                      "compare"};
  return At(kNames, op);
}

int PrecedenceOf(BinaryOp op) {
  switch (op) {
    case BinaryOp::kAnd:
    case BinaryOp::kOr:
      return kLogicPrecedence;
    case BinaryOp::kAdd:
    case BinaryOp::kSub:
      return kAddPrecedence;
    case BinaryOp::kMul:
    case BinaryOp::kDiv:
    case BinaryOp::kMod:
      return kMulPrecedence;
    case BinaryOp::kPow:
      return kPowPrecedence;
    default:
      return kComparePrecedence;
  }
}

int PrecedenceOf(SpansetOp op) {
  return op == SpansetOp::kAnd || op == SpansetOp::kOr ? kLogicPrecedence
                                                       : kComparePrecedence;
}

bool IsComparison(BinaryOp op) {
  return PrecedenceOf(op) == kComparePrecedence && op != BinaryOp::kRegex &&
         op != BinaryOp::kNotRegex;
}

bool IsArithmetic(BinaryOp op) { return PrecedenceOf(op) >= kAddPrecedence; }

bool ReferencesSpan(const FieldExpr& expr) {
  if (const auto* unary = std::get_if<FieldUnary>(&expr.node)) {
    return ReferencesSpan(*unary->operand);
  }
  if (const auto* binary = std::get_if<FieldBinary>(&expr.node)) {
    return ReferencesSpan(*binary->left) || ReferencesSpan(*binary->right);
  }
  return std::holds_alternative<Attribute>(expr.node);
}

bool IsConstant(const ScalarExpr& expr) {
  if (const auto* negate = std::get_if<ScalarNegate>(&expr.node)) {
    return IsConstant(*negate->operand);
  }
  if (const auto* binary = std::get_if<ScalarBinary>(&expr.node)) {
    return IsConstant(*binary->left) && IsConstant(*binary->right);
  }
  return std::holds_alternative<Static>(expr.node);
}

const Static* FindHint(const Query& query, std::string_view name, Type type) {
  for (const Hint& hint : query.hints) {
    if (hint.name == name && hint.value.type() == type) return &hint.value;
  }
  return nullptr;
}

}  // namespace khtrace::traceql
