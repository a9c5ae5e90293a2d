// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.h"

namespace khtrace::model {

// 16 bytes, kept as two numbers in network byte order's meaning, so that
// numeric order is the order of the hex text. All zero is invalid (W3C).
struct TraceId {
  uint64_t high = 0;
  uint64_t low = 0;

  auto operator<=>(const TraceId&) const = default;
  bool IsZero() const { return (high | low) == 0; }

  // `bytes` points at 16 bytes, most significant first.
  static TraceId FromBytes(const char* bytes) {
    return {LoadBigEndian(bytes), LoadBigEndian(bytes + 8)};
  }
  void ToBytes(char* out) const {
    StoreBigEndian(high, out);
    StoreBigEndian(low, out + 8);
  }
  // 32 lower-case digits.
  std::string ToHex() const;
  // 1 to 32 digits of either case, short ones padded on the left.
  static std::optional<TraceId> FromHex(std::string_view hex);

  static uint64_t LoadBigEndian(const char* p) {
    uint64_t value;
    std::memcpy(&value, p, 8);
    return __builtin_bswap64(value);
  }
  static void StoreBigEndian(uint64_t value, char* out) {
    value = __builtin_bswap64(value);
    std::memcpy(out, &value, 8);
  }
};

// 8 bytes, as above. Zero means "none" (a root span's parent).
struct SpanId {
  uint64_t value = 0;

  auto operator<=>(const SpanId&) const = default;
  bool IsZero() const { return value == 0; }

  static SpanId FromBytes(const char* bytes) {
    return {TraceId::LoadBigEndian(bytes)};
  }
  void ToBytes(char* out) const { TraceId::StoreBigEndian(value, out); }
  std::string ToHex() const;  // 16 lower-case digits
  static std::optional<SpanId> FromHex(std::string_view hex);  // 1 to 16
};

struct TraceIdHash {
  // Senders' ids may be counters: mix both halves.
  size_t operator()(const TraceId& id) const {
    return Mix64(id.low ^ Mix64(id.high));
  }
};

}  // namespace khtrace::model
