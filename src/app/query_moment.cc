// SPDX-License-Identifier: Apache-2.0
#include "app/query_moment.h"

#include <fmt/format.h>

#include "base/text.h"

namespace khtrace::app {

Error BadFlag(std::string_view flag, std::string_view value,
              std::string_view why) {
  return {Code::kInvalidArgument, fmt::format("{} '{}': {}", flag, value, why)};
}

Result<UnixNanos> ParseMoment(std::string_view flag, std::string_view text,
                              UnixNanos now) {
  if (const auto ago = ParseGoDuration(text)) {
    if (ago->count() < 0) return BadFlag(flag, text, "must not be negative");
    return now.Minus(*ago);
  }
  if (const auto time = ParseRfc3339(text)) return *time;
  return BadFlag(flag, text,
                 "expected a duration such as 15m or 1h30m, or a time such as "
                 "2026-01-31T08:00:00Z");
}

Result<QueryRange> ParseRange(std::string_view since, std::string_view until,
                              UnixNanos now) {
  QueryRange range{{}, now};
  ASSIGN_OR_RETURN(range.start, ParseMoment("--since", since, now));
  if (!until.empty()) {
    ASSIGN_OR_RETURN(range.end, ParseMoment("--until", until, now));
  }
  if (range.end < range.start) {
    return BadFlag("--until", until, "lies before --since");
  }
  return range;
}

}  // namespace khtrace::app
