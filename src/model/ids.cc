// SPDX-License-Identifier: Apache-2.0
#include "model/ids.h"

namespace khtrace::model {
namespace {

void AppendHex(uint64_t value, std::string* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) {
    out->push_back(kDigits[value >> shift & 15]);
  }
}

// At most 16 digits.
std::optional<uint64_t> ParseHex(std::string_view hex) {
  uint64_t value = 0;
  for (const char c : hex) {
    uint64_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<uint64_t>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<uint64_t>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
    value = value << 4 | digit;
  }
  return value;
}

}  // namespace

std::string TraceId::ToHex() const {
  std::string out;
  out.reserve(32);
  AppendHex(high, &out);
  AppendHex(low, &out);
  return out;
}

std::optional<TraceId> TraceId::FromHex(std::string_view hex) {
  if (hex.empty() || hex.size() > 32) return std::nullopt;
  const size_t split = hex.size() > 16 ? hex.size() - 16 : 0;
  const auto high_half = ParseHex(hex.substr(0, split));
  const auto low_half = ParseHex(hex.substr(split));
  if (!high_half || !low_half) return std::nullopt;
  return TraceId{*high_half, *low_half};
}

std::string SpanId::ToHex() const {
  std::string out;
  out.reserve(16);
  AppendHex(value, &out);
  return out;
}

std::optional<SpanId> SpanId::FromHex(std::string_view hex) {
  if (hex.empty() || hex.size() > 16) return std::nullopt;
  const auto value = ParseHex(hex);
  if (!value) return std::nullopt;
  return SpanId{*value};
}

}  // namespace khtrace::model
