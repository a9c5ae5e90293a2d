// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "traceql/ast.h"
#include "traceql/lexer.h"
#include "traceql/parser.h"

// The recursive-descent parser behind parser.h, for parser_*.cc alone.
//
// Operators are parsed by precedence climbing, in two places: inside { } (on
// FieldExpr) and outside. Outside, a '(' may open a spanset expression, a
// pipeline, a number or a whole metrics query, and `>` then means five things;
// so operands carry their Shape and Combine() decides once both are known.
namespace khtrace::traceql {

// An operator as it is written: what it may mean and how tightly it binds.
struct OperatorInfo {
  std::string_view symbol;
  int precedence;
  std::optional<BinaryOp> binary;
  std::optional<SpansetOp> spanset;
};
// nullptr if `token` is no binary operator.
const OperatorInfo* FindOperator(const Token& token);

class Parser {
 public:
  Parser(std::string_view text, const ParseLimits& limits);

  Result<Query> ParseWholeQuery();
  Result<Attribute> ParseWholeAttribute();

  // Set once something returned an error.
  const Diagnostic& diagnostic() const { return diagnostic_; }

 private:
  // A node with the height of its tree.
  template <typename T>
  struct Sized {
    T node;
    int height = 1;
  };

  enum class Shape {
    kSpanset,         // SpansetExpr without pipelines
    kPipelines,       // SpansetExpr of pipelines in parentheses
    kConstant,        // ScalarExpr without aggregates
    kScalar,          // ScalarExpr with aggregates
    kScalarPipeline,  // ScalarExpr of pipelines' aggregates
    kFilter,          // ScalarFilter of aggregates
    kPipelineFilter,  // ScalarFilter of pipelines' aggregates
    kStages,          // Pipeline
    kMetrics,         // MetricsExpr
  };
  static std::string_view ExpectedBeside(Shape left);
  struct Operand {
    Shape shape;
    std::variant<SpansetExpr, ScalarExpr, ScalarFilter, Pipeline, MetricsExpr>
        node;
    int height = 1;
    bool parenthesised = false;
    Position position;
  };

  // Counts how deep the parser itself is.
  class Nested {
   public:
    explicit Nested(int* depth) : depth_(depth) { ++*depth_; }
    ~Nested() { --*depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    int* depth_;
  };

  // parser.cc: tokens, errors, the whole.
  Status CheckText();
  Status Advance();
  Status Expect(std::string_view symbol, std::string_view expected);
  Error Fail(Diagnostic diagnostic);
  Error FailAt(Position position, std::string message,
               std::string suggestion = {});
  Error Unexpected(std::string expected, std::string suggestion = {});
  Error TooDeep(int limit);
  // Of a tree inside { } and one outside, which counts its filters as leaves.
  Status CheckFieldHeight(int height);
  Status CheckHeight(int height);
  // Of the parser's own recursion, likewise.
  Status CheckFieldDepth();
  Status CheckDepth();
  Result<std::vector<Hint>> ParseHints();
  Result<Hint> ParseHint();
  Result<Query> ToQuery(Operand body);

  // parser_field.cc
  Result<Sized<FieldExpr>> ParseField(int min_precedence);
  Result<Sized<FieldExpr>> ParseFieldOperand();
  Result<Sized<FieldExpr>> ParsePrefix(UnaryOp op, int operand_precedence);
  Result<Sized<FieldExpr>> ParseNilComparison();
  Result<Sized<FieldExpr>> ParseFieldParentheses();
  // A literal or nullopt; only reads it if it is one.
  Result<std::optional<Static>> TryLiteral();
  // An attribute or intrinsic, or nullopt if no such thing begins here.
  Result<std::optional<Attribute>> TryAttribute();
  Result<Attribute> ParseAttributeReference();
  Result<std::vector<Attribute>> ParseAttributeList();

  // parser_pipeline.cc
  Result<Operand> ParseBody(bool in_parentheses);
  Result<Operand> ParseStages(Operand first, bool in_parentheses);
  Result<Operand> ParseStage(bool first);
  Result<Operand> ParseAggregateEnd(Pipeline pipeline, Operand aggregate,
                                    int height);
  // `expected`: what may stand here, for messages.
  Result<Operand> ParseExpr(int min_precedence, std::string_view expected);
  Result<Operand> ParseOperand(std::string_view expected);
  Result<Operand> ParseParentheses();
  Result<Operand> ParseFilter();
  Result<Operand> ParseNegative(std::string_view expected);
  Result<Operand> ParseNumber();
  Result<Operand> ParseAggregate();
  Result<Operand> ParseGroupBy();
  Result<Operand> ParseSelect();
  Result<Operand> ParseCoalesce();
  Error NoOperand(std::string_view expected);

  // parser_combine.cc
  Status CheckLeft(const Operand& left, const OperatorInfo& op);
  Result<Operand> Combine(const OperatorInfo& op, Position at, Operand left,
                          Operand right);
  Result<Operand> CombineSpansets(SpansetOp op, Position at, Operand left,
                                  Operand right);
  Result<Operand> CombineScalars(BinaryOp op, Position at, Operand left,
                                 Operand right);
  Result<Operand> CombineMetrics(BinaryOp op, Position at, Operand left,
                                 Operand right);

  // parser_metrics.cc
  static std::optional<MetricsOp> MetricsOpOf(const Token& token);
  Result<Operand> ParseMetrics(Pipeline pipeline, int height);
  Result<MetricsAggregate> ParseMetricsAggregate(MetricsOp op);
  Result<std::vector<double>> ParseQuantiles();
  Result<CompareArguments> ParseCompareArguments();
  Result<int64_t> ParseInteger(std::string_view expected);
  Status ParseSecondStages(Operand* metrics);
  Result<TopK> ParseTopK();

  std::string_view text_;
  ParseLimits limits_;
  Lexer lexer_;
  Token token_;
  std::string_view previous_;  // the source of the token before
  int field_depth_ = 0;
  int depth_ = 0;
  Diagnostic diagnostic_;
};

}  // namespace khtrace::traceql
