// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "api/tempo_trace_diff.h"
#include "base/text.h"

namespace khtrace::api {
namespace {

using query::DiffTrace;
using Span = DiffTrace::Span;

// A word of a name that looks like the id of one request: six digits, or eight
// of a hexadecimal number or UUID.
bool HasId(std::string_view name) {
  size_t digits = 0;
  size_t hex = 0;
  bool plain = true;  // digits alone
  bool whole = true;  // nothing but hexadecimal digits and dashes
  const auto ends = [&] {
    const bool is_id = whole && digits > 0 && (plain ? digits >= 6 : hex >= 8);
    digits = hex = 0;
    plain = whole = true;
    return is_id;
  };
  for (const char c : name) {
    const bool digit = c >= '0' && c <= '9';
    const char lower = static_cast<char>(c | 0x20);
    const bool letter = lower >= 'a' && lower <= 'z';
    if (!digit && !letter && c != '-' && c != '_') {
      if (ends()) return true;
      continue;
    }
    digits += digit ? 1 : 0;
    hex += digit || (letter && lower <= 'f') || c == '-' ? 1 : 0;
    plain = plain && digit;
    whole = whole && (digit || (letter && lower <= 'f') || c == '-');
  }
  return ends();
}

std::string Described(const Span& span) {
  return fmt::format("\"{}\" of service \"{}\"", SanitizeUtf8(span.name),
                     SanitizeUtf8(span.service));
}

void AddWarnings(const DiffTrace& trace, std::string_view side,
                 std::vector<TraceDiffWarning>* warnings) {
  size_t invalid = 0;
  const Span* example = nullptr;
  const Span* with_id = nullptr;
  for (const Span& span : trace.spans()) {
    if (with_id == nullptr && HasId(span.name)) with_id = &span;
    if (span.duration) continue;
    ++invalid;
    if (example == nullptr) example = &span;
  }
  const bool told = !warnings->empty() &&
                    warnings->front().code == "high_cardinality_span_name";
  if (with_id != nullptr && !told) {
    warnings->insert(
        warnings->begin(),
        {"high_cardinality_span_name",
         fmt::format("span name {} seems to have the id of one request in it: "
                     "names are compared as they are, so the same operation "
                     "may be told as added and removed; ids belong into "
                     "attributes",
                     Described(*with_id))});
  }
  if (invalid == 0) return;
  warnings->push_back(
      {"invalid_duration",
       fmt::format("{} trace has {} spans without a duration (no start, or an "
                   "end before it), which is null where it changed; such as {}",
                   side, invalid, Described(*example))});
}

}  // namespace

std::vector<TraceDiffWarning> WarningsOf(const DiffTrace& base,
                                         const DiffTrace& compare) {
  std::vector<TraceDiffWarning> warnings;
  AddWarnings(base, "base", &warnings);
  AddWarnings(compare, "compare", &warnings);
  return warnings;
}

}  // namespace khtrace::api
