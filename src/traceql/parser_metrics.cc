// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <utility>

#include "traceql/parser_impl.h"
#include "traceql/suggest.h"

// Metrics functions and what follows them.

namespace khtrace::traceql {

std::optional<MetricsOp> Parser::MetricsOpOf(const Token& token) {
  if (token.kind != TokenKind::kWord) return std::nullopt;
  for (const MetricsOp op :
       {MetricsOp::kRate, MetricsOp::kCountOverTime, MetricsOp::kMinOverTime,
        MetricsOp::kMaxOverTime, MetricsOp::kAvgOverTime,
        MetricsOp::kSumOverTime, MetricsOp::kQuantileOverTime,
        MetricsOp::kHistogramOverTime, MetricsOp::kCompare}) {
    if (token.source == Name(op)) return op;
  }
  return std::nullopt;
}

Result<Parser::Operand> Parser::ParseMetrics(Pipeline pipeline, int height) {
  MetricsExpr expr;
  expr.position = token_.position;
  const Position at = token_.position;
  ASSIGN_OR_RETURN(MetricsAggregate aggregate,
                   ParseMetricsAggregate(*MetricsOpOf(token_)));
  expr.node = MetricsQuery{std::move(pipeline), std::move(aggregate)};
  Operand metrics{Shape::kMetrics, std::move(expr), height + 1, false, at};
  RETURN_IF_ERROR(ParseSecondStages(&metrics));
  RETURN_IF_ERROR(CheckHeight(metrics.height));
  return metrics;
}

Result<MetricsAggregate> Parser::ParseMetricsAggregate(MetricsOp op) {
  MetricsAggregate aggregate;
  aggregate.op = op;
  aggregate.position = token_.position;
  const std::string name(Name(op));
  RETURN_IF_ERROR(Advance());
  RETURN_IF_ERROR(Expect("(", "'(' after " + name));
  switch (op) {
    case MetricsOp::kRate:
    case MetricsOp::kCountOverTime:
      RETURN_IF_ERROR(Expect(")", "')': " + name + "() takes no argument"));
      break;
    case MetricsOp::kCompare: {
      ASSIGN_OR_RETURN(aggregate.compare, ParseCompareArguments());
      return aggregate;
    }
    case MetricsOp::kQuantileOverTime: {
      ASSIGN_OR_RETURN(aggregate.attribute, ParseAttributeReference());
      RETURN_IF_ERROR(Expect(",", "',' and a quantile such as 0.99"));
      ASSIGN_OR_RETURN(aggregate.quantiles, ParseQuantiles());
      RETURN_IF_ERROR(Expect(")", "',' or ')' after a quantile"));
      break;
    }
    default: {
      ASSIGN_OR_RETURN(aggregate.attribute, ParseAttributeReference());
      RETURN_IF_ERROR(Expect(")", "')': " + name + "() takes one attribute"));
    }
  }
  if (!token_.IsWord("by")) return aggregate;
  RETURN_IF_ERROR(Advance());
  RETURN_IF_ERROR(Expect("(", "'(' after by"));
  ASSIGN_OR_RETURN(aggregate.by, ParseAttributeList());
  RETURN_IF_ERROR(Expect(")", "',' or ')' after an attribute"));
  return aggregate;
}

Result<std::vector<double>> Parser::ParseQuantiles() {
  std::vector<double> quantiles;
  for (;;) {
    if (token_.kind == TokenKind::kInt) {
      quantiles.push_back(static_cast<double>(token_.integer));
    } else if (token_.kind == TokenKind::kFloat) {
      quantiles.push_back(token_.number);
    } else {
      return Unexpected("a quantile between 0 and 1");
    }
    RETURN_IF_ERROR(Advance());
    if (!token_.Is(",")) return quantiles;
    RETURN_IF_ERROR(Advance());
  }
}

Result<int64_t> Parser::ParseInteger(std::string_view expected) {
  if (token_.kind != TokenKind::kInt) return Unexpected(std::string(expected));
  const int64_t value = token_.integer;
  RETURN_IF_ERROR(Advance());
  return value;
}

// { selection } [ , top_n [ , start , end ] ]
Result<CompareArguments> Parser::ParseCompareArguments() {
  if (!token_.Is("{")) {
    return Unexpected("a filter { … } as the selection to compare");
  }
  ASSIGN_OR_RETURN(Operand filter, ParseFilter());
  CompareArguments arguments;
  auto& spanset = std::get<SpansetExpr>(filter.node);
  arguments.selection = std::get<SpansetFilter>(std::move(spanset.node));
  if (token_.Is(",")) {
    RETURN_IF_ERROR(Advance());
    ASSIGN_OR_RETURN(arguments.top_n,
                     ParseInteger("how many values to show, an integer"));
    if (token_.Is(",")) {
      constexpr std::string_view kTime = "a time as integer unix nanoseconds";
      RETURN_IF_ERROR(Advance());
      ASSIGN_OR_RETURN(arguments.start_ns, ParseInteger(kTime));
      RETURN_IF_ERROR(Expect(",", "',' and the end of the time range"));
      ASSIGN_OR_RETURN(arguments.end_ns, ParseInteger(kTime));
    }
  }
  if (!token_.Is(")")) {
    return Unexpected(
        "',' or ')' after an argument of compare",
        FindOperator(token_) ? "compare() takes a single filter" : "");
  }
  RETURN_IF_ERROR(Advance());
  return arguments;
}

// Comparisons follow without a pipe, functions with one, in any order.
Status Parser::ParseSecondStages(Operand* metrics) {
  for (;;) {
    const OperatorInfo* op = FindOperator(token_);
    if (op != nullptr && op->binary && IsComparison(*op->binary)) {
      const Position at = token_.position;
      RETURN_IF_ERROR(Advance());
      ASSIGN_OR_RETURN(Operand value,
                       ParseExpr(kComparePrecedence + 1, "a number"));
      ASSIGN_OR_RETURN(*metrics,
                       Combine(*op, at, std::move(*metrics), std::move(value)));
      continue;
    }
    if (!token_.Is("|")) return {};
    RETURN_IF_ERROR(Advance());
    ASSIGN_OR_RETURN(TopK top, ParseTopK());
    std::get<MetricsExpr>(metrics->node).stages.emplace_back(top);
  }
}

Result<TopK> Parser::ParseTopK() {
  TopK top;
  top.position = token_.position;
  top.bottom = token_.IsWord("bottomk");
  if (!top.bottom && !token_.IsWord("topk")) {
    std::string suggestion;
    if (FindOperator(token_)) {
      suggestion = "a comparison follows without '|'";
    } else if (token_.kind == TokenKind::kWord) {
      suggestion = SuggestFunction(token_.source);
    }
    return Unexpected("topk(…) or bottomk(…) after a metrics function",
                      suggestion);
  }
  const std::string name = top.bottom ? "bottomk" : "topk";
  RETURN_IF_ERROR(Advance());
  RETURN_IF_ERROR(Expect("(", "'(' after " + name));
  ASSIGN_OR_RETURN(top.limit,
                   ParseInteger("how many series to keep, an integer"));
  RETURN_IF_ERROR(Expect(")", "')': " + name + "() takes one number"));
  return top;
}

}  // namespace khtrace::traceql
