// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace khtrace {

// Lower-case hex, two digits a byte.
std::string HexEncode(std::span<const std::byte> bytes);
// Either case. False on an odd length or another character; `out` must hold
// hex.size() / 2 bytes.
bool HexDecode(std::string_view hex, std::span<std::byte> out);

std::string Base64Encode(std::string_view bytes);  // standard, padded
// Standard or URL-safe alphabet, padded or not.
std::optional<std::string> Base64Decode(std::string_view text);

// Go's duration syntax: "300ms", "-1.5h", "2h45m", "1us", "1µs"; "0" alone.
// kInvalidArgument quotes the text.
Result<std::chrono::nanoseconds> ParseGoDuration(std::string_view text);
// Exact, in Go's own form but without zero parts: "1.5s", "250µs", "1h2m3s",
// "1h", "0s". ParseGoDuration gives the same duration back.
std::string FormatGoDuration(std::chrono::nanoseconds duration);
// For people, about three digits: "1.23 ms", "45.1 s", "2 min 5 s", "3 d 4 h".
std::string FormatDurationShort(std::chrono::nanoseconds duration);
// "64MiB" (2^20 each), "1GB" (10^9), "4096": bytes. The case of the unit is
// free; a bare "64M" is refused as ambiguous. kInvalidArgument quotes the text.
Result<uint64_t> ParseByteSize(std::string_view text);
std::string FormatByteSize(uint64_t bytes);  // "1.2 GiB"

// RFC 3339 with up to nine fractional digits, UTC ("Z"), zeros trimmed.
std::string FormatRfc3339(UnixNanos time);
// Accepts any offset, 'T' or ' ', and a ' ' where a '+' was lost in a URL.
// kInvalidArgument quotes the text, also when outside 1970 to 2554.
Result<UnixNanos> ParseRfc3339(std::string_view text);

// %XX and, if `plus_is_space`, '+'. Malformed escapes stay as they are.
std::string PercentDecode(std::string_view text, bool plus_is_space);

// Well-formed UTF-8 by RFC 3629 (no surrogates, no overlong forms).
bool IsValidUtf8(std::string_view text);
// Replaces each maximal malformed part by U+FFFD (Unicode standard, 3.9,
// "Substitution of Maximal Subparts": as browsers do).
std::string SanitizeUtf8(std::string_view text);

// The entry of `candidates` nearest to `word` by edit distance, if it is near
// enough to be meant: for "did you mean".
std::optional<std::string> NearestWord(
    std::string_view word, std::span<const std::string_view> candidates);

}  // namespace khtrace
