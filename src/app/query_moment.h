// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

// Flags of queries and what they become in a request.

namespace khtrace::app {

// "--since 'x': expected …".
Error BadFlag(std::string_view flag, std::string_view value,
              std::string_view why);

// A time as "15m" (ago) or RFC 3339. kInvalidArgument names the flag.
Result<UnixNanos> ParseMoment(std::string_view flag, std::string_view text,
                              UnixNanos now);

struct QueryRange {
  UnixNanos start;
  UnixNanos end;
};
// Without `until`: up to now. kInvalidArgument when it ends before it starts.
Result<QueryRange> ParseRange(std::string_view since, std::string_view until,
                              UnixNanos now);

}  // namespace khtrace::app
