// SPDX-License-Identifier: Apache-2.0
#include "traceql/diagnostic.h"

#include <fmt/format.h>

namespace khtrace::traceql {

std::string ToString(const Diagnostic& diagnostic) {
  std::string out;
  switch (diagnostic.kind) {
    case Diagnostic::Kind::kSyntax:
      out = "parse error";
      break;
    case Diagnostic::Kind::kQuery:
      out = "invalid query";
      break;
    case Diagnostic::Kind::kLimit:
      out = "query too large";
      break;
  }
  if (diagnostic.position.line != 0) {
    out += fmt::format(" at line {}, col {}", diagnostic.position.line,
                       diagnostic.position.column);
  }
  out += ": ";
  if (!diagnostic.message.empty()) {
    out += diagnostic.message;
  } else {
    out += fmt::format("syntax error: unexpected {}, expecting {}",
                       diagnostic.found, diagnostic.expected);
  }
  if (!diagnostic.suggestion.empty()) out += "; " + diagnostic.suggestion;
  return out;
}

Error ToError(const Diagnostic& diagnostic) {
  return {Code::kInvalidArgument, ToString(diagnostic)};
}

}  // namespace khtrace::traceql
