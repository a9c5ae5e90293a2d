// SPDX-License-Identifier: Apache-2.0
#include "codec/json_surrogates.h"

#include <charconv>
#include <string_view>

namespace khtrace::codec {
namespace {

constexpr size_t kEscapeSize = 6;  // \uXXXX

// The UTF-16 unit that is escaped at `at`, or 0 if there is no \u escape.
uint32_t UnitAt(std::string_view json, size_t at) {
  if (json.size() < at + kEscapeSize || json[at] != '\\' ||
      json[at + 1] != 'u') {
    return 0;
  }
  uint32_t unit = 0;
  const char* const end = json.data() + at + kEscapeSize;
  const auto parsed = std::from_chars(json.data() + at + 2, end, unit, 16);
  return parsed.ec == std::errc() && parsed.ptr == end ? unit : 0;
}
bool IsHigh(uint32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
bool IsLow(uint32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

}  // namespace

uint64_t ReplaceLoneSurrogates(std::string* json) {
  uint64_t replaced = 0;
  for (size_t at = 0; (at = json->find('\\', at)) != std::string::npos;) {
    const uint32_t unit = UnitAt(*json, at);
    if (IsHigh(unit) && IsLow(UnitAt(*json, at + kEscapeSize))) {
      at += 2 * kEscapeSize;
    } else if (IsHigh(unit) || IsLow(unit)) {
      for (size_t i = 0; i < 4; ++i) (*json)[at + 2 + i] = "fffd"[i];
      ++replaced;
      at += kEscapeSize;
    } else {
      at += 2;  // a backslash and what it escapes
    }
  }
  return replaced;
}

}  // namespace khtrace::codec
