// SPDX-License-Identifier: Apache-2.0
#include "telemetry/drop_reasons.h"

#include <fmt/format.h>

namespace khtrace::telemetry {
namespace {

struct Row {
  DropReason reason;
  Outcome outcome;
  std::string_view name;
  std::string_view description;
};

// In the order of the enum.
constexpr std::array<Row, kDropReasonCount> kTable{{
    {DropReason::kZeroTraceId, Outcome::kDropped, "zero_trace_id",
     "The trace id is missing or all zeros, which W3C calls invalid"},
    {DropReason::kInvalidTraceId, Outcome::kDropped, "invalid_trace_id",
     "The trace id does not have the length or the digits of one"},
    {DropReason::kZeroSpanId, Outcome::kDropped, "zero_span_id",
     "The span id is missing or all zeros, which W3C calls invalid"},
    {DropReason::kInvalidSpanId, Outcome::kDropped, "invalid_span_id",
     "The span id does not have the length or the digits of one"},
    {DropReason::kMalformedSpan, Outcome::kDropped, "malformed_span",
     "The span's bytes do not follow its format, though the request around "
     "them does"},
    {DropReason::kTimeOutOfRange, Outcome::kDropped, "time_out_of_range",
     "A time does not fit into nanoseconds from 1970 to 2554"},
    {DropReason::kAttributeTooDeep, Outcome::kDropped, "attribute_too_deep",
     "An attribute nests arrays or maps deeper than the limit"},
    {DropReason::kSpanTooLarge, Outcome::kDropped, "span_too_large",
     "The span has more bytes than the limit"},
    {DropReason::kInvalidUtf8, Outcome::kRepaired, "invalid_utf8",
     "A text was not valid UTF-8; its malformed parts became U+FFFD"},
    {DropReason::kDuplicateAttributeKey, Outcome::kRepaired,
     "duplicate_attribute_key",
     "A key came more than once in one list of attributes; its last value was "
     "kept"},
    {DropReason::kTooManyAttributes, Outcome::kRepaired, "too_many_attributes",
     "The attributes beyond the limit were cut off and added to "
     "dropped_attributes_count"},
    {DropReason::kInvalidParentSpanId, Outcome::kRepaired,
     "invalid_parent_span_id",
     "The parent span id was malformed and left out; the span is a root"},
    {DropReason::kInvalidLink, Outcome::kRepaired, "invalid_link",
     "A link's ids were malformed; the link was left out and added to "
     "dropped_links_count"},
    {DropReason::kEndBeforeStart, Outcome::kNoted, "end_before_start",
     "The span ends before it starts; stored as sent, its duration counts as "
     "zero"},
    {DropReason::kQueueFull, Outcome::kRefused, "queue_full",
     "The requests in flight already hold as many bytes as the limit"},
    {DropReason::kMemoryLimit, Outcome::kRefused, "memory_limit",
     "The process is at its memory limit"},
    {DropReason::kDiskFull, Outcome::kRefused, "disk_full",
     "The disk is full, or too slow for what waits in memory to be written"},
    {DropReason::kWriteFailed, Outcome::kRefused, "write_failed",
     "The store could not write"},
}};

constexpr bool TableFollowsEnum() {
  for (size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<size_t>(kTable[i].reason) != i) return false;
  }
  return true;
}
static_assert(TableFollowsEnum());

const Row& RowOf(DropReason reason) {
  return kTable[static_cast<size_t>(reason)];
}

}  // namespace

std::string_view Name(DropReason reason) { return RowOf(reason).name; }
Outcome OutcomeOf(DropReason reason) { return RowOf(reason).outcome; }
std::string_view Description(DropReason reason) {
  return RowOf(reason).description;
}

std::string_view Name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kDropped:
      return "dropped";
    case Outcome::kRepaired:
      return "repaired";
    case Outcome::kNoted:
      return "noted";
    case Outcome::kRefused:
      return "refused";
  }
  return "unknown";
}

uint64_t DropCounts::Total(Outcome outcome) const {
  uint64_t total = 0;
  for (const Row& row : kTable) {
    if (row.outcome == outcome) total += (*this)[row.reason];
  }
  return total;
}

void DropCounts::Merge(const DropCounts& other) {
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    by_reason[i] += other.by_reason[i];
  }
}

std::string DropCounts::DropSummary() const {
  const uint64_t total = Total(Outcome::kDropped);
  if (total == 0) return {};
  std::string out =
      fmt::format("{} {} dropped", total, total == 1 ? "span" : "spans");
  std::string_view separator = ": ";
  for (const Row& row : kTable) {
    const uint64_t count = (*this)[row.reason];
    if (row.outcome != Outcome::kDropped || count == 0) continue;
    out += fmt::format("{}{} {}", separator, count, row.name);
    separator = ", ";
  }
  return out;
}

}  // namespace khtrace::telemetry
