// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "traceql/ast.h"
#include "traceql/diagnostic.h"

// TraceQL: text -> tree. docs/traceql.md describes the language; the grammar is
// that of Grafana Tempo 3.0. All functions are pure: any thread may call them.
namespace khtrace::traceql {

struct ParseLimits {
  // Of the text. Tempo's limit. Memory for a tree is up to some 100 times it.
  size_t max_bytes = 128 * 1024;
  // Heights of the trees inside { } and outside, where each operator is one
  // level: also of a chain such as `a || b || c`. Parentheses may nest twice as
  // deep, because canonical text can need two for a level. Parsing the deepest
  // takes about 1 MiB of stack each; ParserLimits.DeepestQueriesFitIntoTheStack
  // tries.
  int max_depth = 300;
  int max_outer_depth = 100;
};

// Parses a whole query. What comes back is a query by its grammar; that its
// types fit is CheckQuery's matter (checker.h). kInvalidArgument otherwise,
// with line, column and what was expected; `diagnostic`, if given, then holds
// the same in parts.
Result<Query> ParseQuery(std::string_view text, const ParseLimits& limits = {},
                         Diagnostic* diagnostic = nullptr);

// Parses text that is one attribute or intrinsic and nothing else, such as
// `resource.service.name`, `.a`, `span:kind` (the tag of Tempo's tag values).
Result<Attribute> ParseAttribute(std::string_view text,
                                 Diagnostic* diagnostic = nullptr);

}  // namespace khtrace::traceql
