// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "traceql/ast.h"
#include "traceql/diagnostic.h"

namespace re2 {
class RE2;
}

namespace khtrace::traceql {

// Whether a query that parsed makes sense: operands of one type, conditions
// that are boolean, numbers where aggregates need them, regexes that RE2
// takes, arguments in range. docs/traceql.md lists the rules. kInvalidArgument
// with position and the text of the part at fault; `diagnostic`, if given, then
// holds the same. Pure: any thread may call it.
Status CheckQuery(const Query& query, Diagnostic* diagnostic = nullptr);

// What is known about its value before it runs; kAttribute if nothing.
Type ImpliedType(const FieldExpr& expr);

// Regexes match a whole text, '.' also matches newlines, as in TraceQL. False
// if RE2 refuses it or needs more memory than we grant a regex.
bool IsValidRegex(const std::string& regex, std::string* why);
// That regex for RE2::FullMatch; nullptr with the reason where it is not valid.
std::shared_ptr<const re2::RE2> CompileRegex(const std::string& regex,
                                             std::string* why);

}  // namespace khtrace::traceql
