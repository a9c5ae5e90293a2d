// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace khtrace::telemetry {

// Everything that can happen to a span between the wire and the store other
// than being stored as it came. The one table: metrics, partial-success
// messages, `khtrace doctor` and the documentation all name these. Names are
// part of our public interface: add new ones, never rename.
enum class DropReason : uint8_t {
  kZeroTraceId,
  kInvalidTraceId,
  kZeroSpanId,
  kInvalidSpanId,
  kMalformedSpan,
  kTimeOutOfRange,
  kAttributeTooDeep,
  kSpanTooLarge,
  kInvalidUtf8,
  kDuplicateAttributeKey,
  kTooManyAttributes,
  kInvalidParentSpanId,
  kInvalidLink,
  kEndBeforeStart,
  kQueueFull,
  kMemoryLimit,
  kDiskFull,
  kWriteFailed,
};
inline constexpr size_t kDropReasonCount = 18;

// What became of the span.
enum class Outcome : uint8_t {
  kDropped,   // never stored; told to the sender in partial success
  kRepaired,  // stored, with something changed so that it could be
  kNoted,     // stored as sent, although it looks wrong
  kRefused,   // its whole request was answered "retry later"; nothing stored
};

std::string_view Name(DropReason reason);  // "zero_trace_id"
std::string_view Name(Outcome outcome);    // "dropped"
Outcome OutcomeOf(DropReason reason);
// One sentence for people, without a final dot.
std::string_view Description(DropReason reason);

// How often each reason came up while one request (or file) was handled.
// Plain data, confined to who handles it. A span counts once under kDropped
// (the first reason found ends its decoding); repairs count each occurrence.
struct DropCounts {
  std::array<uint64_t, kDropReasonCount> by_reason{};

  void Add(DropReason reason, uint64_t count = 1) {
    by_reason[static_cast<size_t>(reason)] += count;
  }
  uint64_t operator[](DropReason reason) const {
    return by_reason[static_cast<size_t>(reason)];
  }
  uint64_t Total(Outcome outcome) const;
  void Merge(const DropCounts& other);
  // "3 spans dropped: 2 zero_trace_id, 1 malformed_span" in the order of the
  // enum; empty if none was dropped.
  std::string DropSummary() const;

  bool operator==(const DropCounts&) const = default;
};

}  // namespace khtrace::telemetry
