// SPDX-License-Identifier: Apache-2.0
#include "api/tempo_tag_filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "traceql/checker.h"
#include "traceql/parser.h"
#include "traceql/printer.h"

namespace khtrace::api {
namespace {

using traceql::BinaryOp;
using traceql::FieldBinary;
using traceql::FieldExpr;
using traceql::Static;

// Parentheses that are looked into; what nests deeper counts as one condition.
constexpr int kMaxDepth = 20;
// Texts that are tried as conditions; what comes then counts as true. Each is
// parsed, so that more would be slow; nobody types as many.
constexpr size_t kMaxConditions = 200;

FieldExpr True() { return {Static(true), {}}; }
bool IsTrue(const FieldExpr& expr) {
  const Static* literal = std::get_if<Static>(&expr.node);
  return literal != nullptr && *literal == Static(true);
}

// Where the quoted text that begins at `at` ends: behind its closing quote, or
// the end of the text.
size_t SkipQuoted(std::string_view text, size_t at) {
  const char quote = text[at];
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\' && quote == '"') {
      ++at;
    } else if (text[at] == quote) {
      return at + 1;
    }
  }
  return text.size();
}

bool IsQuote(char c) { return c == '"' || c == '`'; }

// What stands between the only pair of braces; the closing one may be missing.
std::optional<std::string_view> OnlyFilter(std::string_view text) {
  size_t begin = std::string_view::npos;
  size_t end = text.size();
  for (size_t at = 0; at < text.size();) {
    if (IsQuote(text[at])) {
      at = SkipQuoted(text, at);
      continue;
    }
    if (text[at] == '{') {
      if (begin != std::string_view::npos) return std::nullopt;
      begin = at + 1;
    } else if (text[at] == '}' && begin != std::string_view::npos &&
               end == text.size()) {
      end = at;
    }
    ++at;
  }
  if (begin == std::string_view::npos) return std::nullopt;
  return text.substr(begin, end - begin);
}

struct Pieces {
  std::vector<std::string_view> texts;
  std::vector<BinaryOp> ops;  // between them
};

// Cuts at every && and || outside quotes and parentheses.
Pieces Split(std::string_view text) {
  Pieces pieces;
  size_t begin = 0;
  int depth = 0;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (IsQuote(c)) {
      at = SkipQuoted(text, at);
      continue;
    }
    if (c == '(') ++depth;
    if (c == ')') --depth;
    const bool twice = at + 1 < text.size() && text[at + 1] == c;
    if (depth <= 0 && twice && (c == '&' || c == '|')) {
      pieces.texts.push_back(text.substr(begin, at - begin));
      pieces.ops.push_back(c == '&' ? BinaryOp::kAnd : BinaryOp::kOr);
      begin = at + 2;
      ++at;
    }
    ++at;
  }
  pieces.texts.push_back(text.substr(begin));
  return pieces;
}

std::string_view Trim(std::string_view text) {
  const auto blank = [](char c) { return static_cast<uint8_t>(c) <= ' '; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<FieldExpr> ParseCondition(std::string_view text) {
  auto query = traceql::ParseQuery(fmt::format("{{{}}}", text));
  if (!query || !traceql::CheckQuery(*query)) return std::nullopt;
  auto* pipeline = std::get_if<traceql::Pipeline>(&query->root);
  if (pipeline == nullptr || pipeline->stages.size() != 1) return std::nullopt;
  auto* spanset = std::get_if<traceql::SpansetExpr>(&pipeline->stages[0]);
  if (spanset == nullptr) return std::nullopt;
  auto* filter = std::get_if<traceql::SpansetFilter>(&spanset->node);
  if (filter == nullptr) return std::nullopt;
  return std::move(filter->condition);
}

FieldExpr Join(BinaryOp op, FieldExpr left, FieldExpr right) {
  const bool both = op == BinaryOp::kAnd;
  if (IsTrue(left)) return both ? std::move(right) : std::move(left);
  if (IsTrue(right)) return both ? std::move(left) : std::move(right);
  FieldExpr joined;
  joined.node = FieldBinary{op, std::move(left), std::move(right)};
  return joined;
}

// `budget`: conditions that may still be read.
FieldExpr Repair(std::string_view text, int depth, size_t* budget) {
  text = Trim(text);
  if (*budget == 0) return True();
  --*budget;
  if (auto whole = ParseCondition(text)) return *std::move(whole);
  const Pieces pieces = Split(text);
  if (pieces.texts.size() == 1) {
    const bool group = text.size() >= 2 && text.front() == '(';
    if (!group || depth == kMaxDepth) return True();
    text.remove_prefix(1);
    if (text.back() == ')') text.remove_suffix(1);
    return Repair(text, depth + 1, budget);
  }
  // && and || bind alike, from the left.
  FieldExpr joined = Repair(pieces.texts[0], depth + 1, budget);
  for (size_t i = 1; i < pieces.texts.size(); ++i) {
    joined = Join(pieces.ops[i - 1], std::move(joined),
                  Repair(pieces.texts[i], depth + 1, budget));
  }
  return joined;
}

size_t ConditionGroups(const FieldExpr& expr) {
  const FieldBinary* binary = std::get_if<FieldBinary>(&expr.node);
  if (binary == nullptr) return 1;
  if (binary->op != BinaryOp::kAnd && binary->op != BinaryOp::kOr) return 1;
  const size_t left = ConditionGroups(*binary->left);
  const size_t right = ConditionGroups(*binary->right);
  return std::min(kMaxConditionGroups + 1,
                  binary->op == BinaryOp::kAnd ? left * right : left + right);
}

}  // namespace

Result<std::optional<FieldExpr>> ReadTagFilter(std::string_view query) {
  const std::optional<std::string_view> text = OnlyFilter(query);
  if (!text || text->size() > traceql::ParseLimits().max_bytes) {
    return std::optional<FieldExpr>();
  }
  size_t budget = kMaxConditions;
  FieldExpr filter = Repair(*text, 0, &budget);
  if (ConditionGroups(filter) > kMaxConditionGroups) {
    return Error{Code::kInvalidArgument, "maximum condition groups reached"};
  }
  if (IsTrue(filter)) return std::optional<FieldExpr>();
  // What was put together may be higher than what a parser would let pass.
  return ParseCondition(traceql::Print(filter));
}

}  // namespace khtrace::api
