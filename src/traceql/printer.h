// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "traceql/ast.h"

// Tree -> canonical text: one spelling for each intrinsic, one space around
// operators, `{ }` for what is always true; no parentheses but those that the
// tree needs and those that a reader needs, who may not know that && and ||
// bind alike and that comparisons chain. For whatever the parser made, parsing
// the text gives an equal tree, and printing that gives the same text. Results
// use these texts as names: `by(resource.service.name)`, `avg(duration)`.
namespace khtrace::traceql {

std::string Print(const Query& query);
std::string Print(const Pipeline& pipeline);
std::string Print(const SpansetExpr& expr);
std::string Print(const FieldExpr& expr);
std::string Print(const ScalarExpr& expr);
std::string Print(const Aggregate& aggregate);
std::string Print(const MetricsExpr& expr);
std::string Print(const MetricsAggregate& aggregate);
// A string literal.
std::string Quoted(std::string_view text);

}  // namespace khtrace::traceql
