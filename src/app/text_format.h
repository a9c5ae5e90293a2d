// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "app/terminal.h"
#include "base/clock.h"

// Numbers and times as the commands print them.

namespace khtrace::app {

// "1.23 ms"; "us" for "µs" where only ASCII can be drawn.
std::string DurationText(const Terminal& terminal, uint64_t ns);
// "2026-11-22 08:00:00.123" in UTC.
std::string TimeText(UnixNanos time);
// "12 345 678".
std::string CountText(uint64_t count);
// "1 span", "2 spans".
std::string Plural(uint64_t count, std::string_view noun);

}  // namespace khtrace::app
