// SPDX-License-Identifier: Apache-2.0
#include "traceql/parser.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"
#include "traceql/parser_impl.h"
#include "traceql/suggest.h"
#include "traceql/utf8.h"

namespace khtrace::traceql {
namespace {

// The token as a message shows it.
std::string Describe(const Token& token) {
  if (token.kind == TokenKind::kEnd) return "the end of the query";
  return fmt::format("'{}'", Shortened(token.source));
}

// Line and column of a byte in text that need not be UTF-8.
Position PositionOf(std::string_view text, size_t offset) {
  Position position{1, 1};
  for (const char c : text.substr(0, offset)) {
    if (c == '\n') {
      ++position.line;
      position.column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
      ++position.column;
    }
  }
  return position;
}

}  // namespace

Parser::Parser(std::string_view text, const ParseLimits& limits)
    : text_(text), limits_(limits), lexer_(text) {}

// --- Tokens and errors --------------------------------------------------

Error Parser::Fail(Diagnostic diagnostic) {
  diagnostic_ = std::move(diagnostic);
  return ToError(diagnostic_);
}

Error Parser::FailAt(Position position, std::string message,
                     std::string suggestion) {
  Diagnostic d;
  d.position = position;
  d.message = std::move(message);
  d.suggestion = std::move(suggestion);
  return Fail(std::move(d));
}

Error Parser::Unexpected(std::string expected, std::string suggestion) {
  Diagnostic d;
  d.position = token_.position;
  d.found = Describe(token_);
  d.expected = std::move(expected);
  if (suggestion.empty() && token_.kind == TokenKind::kUnknown) {
    suggestion = SuggestCharacter(token_.source);
  }
  d.suggestion = std::move(suggestion);
  return Fail(std::move(d));
}

Error Parser::TooDeep(int limit) {
  Diagnostic d;
  d.kind = Diagnostic::Kind::kLimit;
  d.position = token_.position;
  d.message = fmt::format(
      "operators and parentheses nest deeper than {} levels", limit);
  return Fail(std::move(d));
}

Status Parser::CheckFieldHeight(int height) {
  if (height > limits_.max_depth) return TooDeep(limits_.max_depth);
  return {};
}

Status Parser::CheckHeight(int height) {
  if (height > limits_.max_outer_depth) return TooDeep(limits_.max_outer_depth);
  return {};
}

// A node takes at most two steps down: into its parentheses and into its
// operand. So whatever fits the height fits this when printed.
Status Parser::CheckFieldDepth() {
  if (field_depth_ <= 2 * limits_.max_depth + 2) return {};
  return TooDeep(limits_.max_depth);
}

Status Parser::CheckDepth() {
  if (depth_ <= 2 * limits_.max_outer_depth + 2) return {};
  return TooDeep(limits_.max_outer_depth);
}

Status Parser::CheckText() {
  if (text_.size() > limits_.max_bytes) {
    Diagnostic d;
    d.kind = Diagnostic::Kind::kLimit;
    d.message = fmt::format("{} bytes, the limit is {}", text_.size(),
                            limits_.max_bytes);
    return Fail(std::move(d));
  }
  if (const size_t nul = text_.find('\0'); nul != text_.npos) {
    return FailAt(PositionOf(text_, nul), "syntax error: unexpected NUL");
  }
  if (IsValidUtf8(text_)) return {};
  // What was replaced is where the repaired text differs first.
  const std::string repaired = SanitizeUtf8(text_);
  size_t bad = 0;
  while (bad < text_.size() && text_[bad] == repaired[bad]) ++bad;
  return FailAt(PositionOf(text_, bad), "the query is not valid UTF-8");
}

Status Parser::Advance() {
  previous_ = token_.source;
  if (lexer_.Next(&token_)) return {};
  return Fail(lexer_.diagnostic());
}

Status Parser::Expect(std::string_view symbol, std::string_view expected) {
  if (!token_.Is(symbol)) return Unexpected(std::string(expected));
  return Advance();
}

// --- The whole ----------------------------------------------------------

Result<Query> Parser::ParseWholeQuery() {
  RETURN_IF_ERROR(CheckText());
  RETURN_IF_ERROR(Advance());
  if (token_.kind == TokenKind::kEnd) {
    return Unexpected("a query", "{} matches every span");
  }
  ASSIGN_OR_RETURN(Operand body, ParseBody(false));
  ASSIGN_OR_RETURN(Query query, ToQuery(std::move(body)));
  while (token_.IsWord("with")) {
    ASSIGN_OR_RETURN(query.hints, ParseHints());
  }
  if (token_.kind == TokenKind::kEnd) return query;
  if (!query.hints.empty()) {
    return Unexpected("the end of the query",
                      "hints come last, with(…) ends a query");
  }
  if (token_.Is("|")) {
    return Unexpected(
        "an operator or the end of the query",
        "what is made of pipelines in parentheses cannot go on with '|'");
  }
  std::string suggestion = SuggestOperator(token_.source, false);
  const OperatorInfo* op = FindOperator(token_);
  if (query.is_metrics() && op != nullptr && op->binary &&
      IsArithmetic(*op->binary)) {
    suggestion = "for arithmetic put each query into parentheses";
  } else if (query.is_metrics() && token_.IsWord("by")) {
    suggestion = "by(…) directly follows the metrics function, once";
  }
  return Unexpected("an operator, '|' or the end of the query", suggestion);
}

Result<Query> Parser::ToQuery(Operand body) {
  Query query;
  switch (body.shape) {
    case Shape::kSpanset:
    case Shape::kPipelines: {
      auto& spanset = std::get<SpansetExpr>(body.node);
      Pipeline pipeline;
      if (auto* inner = std::get_if<Box<Pipeline>>(&spanset.node)) {
        pipeline = std::move(**inner);
      } else {
        pipeline.stages.emplace_back(std::move(spanset));
      }
      query.root = std::move(pipeline);
      return query;
    }
    case Shape::kFilter:
    case Shape::kPipelineFilter: {
      Pipeline pipeline;
      pipeline.stages.emplace_back(
          std::get<ScalarFilter>(std::move(body.node)));
      query.root = std::move(pipeline);
      return query;
    }
    case Shape::kStages:
      query.root = std::get<Pipeline>(std::move(body.node));
      return query;
    case Shape::kMetrics:
      query.root = std::get<MetricsExpr>(std::move(body.node));
      return query;
    case Shape::kConstant:
    case Shape::kScalar:
    case Shape::kScalarPipeline:
      break;
  }
  return Unexpected("an operator and what to compare with",
                    SuggestOperator(token_.source, false));
}

Result<std::vector<Hint>> Parser::ParseHints() {
  RETURN_IF_ERROR(Advance());
  RETURN_IF_ERROR(Expect("(", "'(' after with"));
  std::vector<Hint> hints;
  for (;;) {
    ASSIGN_OR_RETURN(Hint hint, ParseHint());
    hints.push_back(std::move(hint));
    if (!token_.Is(",")) break;
    RETURN_IF_ERROR(Advance());
  }
  RETURN_IF_ERROR(Expect(")", "',' or ')' after a hint"));
  return hints;
}

Result<Hint> Parser::ParseHint() {
  Hint hint;
  hint.position = token_.position;
  if (token_.kind != TokenKind::kWord) {
    return Unexpected("the name of a hint", "hints are written name=value");
  }
  hint.name = token_.text;
  RETURN_IF_ERROR(Advance());
  RETURN_IF_ERROR(Expect("=", "'=' after the name of a hint"));
  ASSIGN_OR_RETURN(std::optional<Static> value, TryLiteral());
  if (!value) {
    return Unexpected("the value of a hint",
                      "true, false, a number, a duration or a text");
  }
  hint.value = *std::move(value);
  return hint;
}

Result<Attribute> Parser::ParseWholeAttribute() {
  RETURN_IF_ERROR(CheckText());
  RETURN_IF_ERROR(Advance());
  ASSIGN_OR_RETURN(Attribute attribute, ParseAttributeReference());
  if (token_.kind != TokenKind::kEnd) {
    return Unexpected("the end after the attribute",
                      "quote what is no plain name: span.\"a b\"");
  }
  return attribute;
}

// --- parser.h -----------------------------------------------------------

Result<Query> ParseQuery(std::string_view text, const ParseLimits& limits,
                         Diagnostic* diagnostic) {
  Parser parser(text, limits);
  auto query = parser.ParseWholeQuery();
  if (!query && diagnostic != nullptr) *diagnostic = parser.diagnostic();
  return query;
}

Result<Attribute> ParseAttribute(std::string_view text,
                                 Diagnostic* diagnostic) {
  Parser parser(text, {});
  auto attribute = parser.ParseWholeAttribute();
  if (!attribute && diagnostic != nullptr) *diagnostic = parser.diagnostic();
  return attribute;
}

}  // namespace khtrace::traceql
