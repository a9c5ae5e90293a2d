// SPDX-License-Identifier: Apache-2.0
// Any bytes are a query or an error with a place in them; what is a query
// survives being printed and parsed again, and what is sound stays so.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "traceql/checker.h"
#include "traceql/parser.h"
#include "traceql/printer.h"

using khtrace::traceql::Diagnostic;

namespace {

void CheckQueryText(std::string_view text) {
  Diagnostic diagnostic;
  const auto query = khtrace::traceql::ParseQuery(text, {}, &diagnostic);
  if (!query) {
    KHTRACE_CHECK(query.error().message == ToString(diagnostic));
    KHTRACE_CHECK(diagnostic.position.line > 0 ||
                  diagnostic.kind == Diagnostic::Kind::kLimit);
    return;
  }
  const auto sound = CheckQuery(*query);
  const std::string printed = Print(*query);
  // Canonical text may be longer, so it is parsed without that limit.
  khtrace::traceql::ParseLimits limits;
  limits.max_bytes = printed.size();
  const auto again = khtrace::traceql::ParseQuery(printed, limits);
  KHTRACE_CHECK(again.has_value());
  KHTRACE_CHECK(*again == *query);
  KHTRACE_CHECK(Print(*again) == printed);
  KHTRACE_CHECK(CheckQuery(*again).has_value() == sound.has_value());
}

void CheckAttributeText(std::string_view text) {
  const auto attribute = khtrace::traceql::ParseAttribute(text);
  if (!attribute) return;
  const auto again = khtrace::traceql::ParseAttribute(ToString(*attribute));
  KHTRACE_CHECK(again && *again == *attribute);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckQueryText(text);
  CheckAttributeText(text);
  return 0;
}
