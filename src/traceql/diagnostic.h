// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "traceql/position.h"

namespace khtrace::traceql {

// Why a query was refused, in parts for an editor and as one text for people.
struct Diagnostic {
  enum class Kind : uint8_t {
    kSyntax,  // the text is no query
    kQuery,   // a query, but one that makes no sense: types, ranges
    kLimit,   // too long or nested too deeply
  };
  Kind kind = Kind::kSyntax;
  Position position;
  std::string message;     // instead of found and expected, or empty
  std::string found;       // "'=='", "the end of the query"
  std::string expected;    // "a value or an attribute"
  std::string suggestion;  // "did you mean '='?", or empty
};

// "parse error at line 1, col 5: syntax error: unexpected X, expecting Y;
// <suggestion>", "invalid query at line 1, col 3: …", "query too large: …".
std::string ToString(const Diagnostic& diagnostic);

// kInvalidArgument with that text.
Error ToError(const Diagnostic& diagnostic);

}  // namespace khtrace::traceql
