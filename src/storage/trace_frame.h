// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/request_context.h"
#include "base/result.h"
#include "model/attr_value.h"
#include "model/ids.h"

// How a query reads many spans at once: as columns over whole traces, decoded
// only when they are asked for. TraceReader::Scan gives a FrameScan; each of
// its units opens as a TraceFrame.

namespace khtrace::storage {

// What of a span, an event or a link a column holds, with the type of its
// values.
enum class FrameField : uint8_t {
  // One value a span.
  kName,           // text
  kStart,          // integer, Unix nanoseconds
  kDuration,       // integer, nanoseconds
  kKind,           // integer, OTLP's number
  kStatus,         // integer, OTLP's number
  kStatusMessage,  // text, empty without one
  kSpanId,         // integer: model::SpanId::value
  kParentId,       // likewise; absent without a parent
  kTraceState,     // text
  kScopeName,      // text; absent where it is empty
  kScopeVersion,   // likewise
  kSpanAttribute,
  kResourceAttribute,
  kScopeAttribute,
  // One value an event.
  kEventName,  // text
  kEventTime,  // integer, Unix nanoseconds
  kEventAttribute,
  // One value a link.
  kLinkTraceId,  // text: 32 hexadecimal digits
  kLinkSpanId,   // integer: model::SpanId::value
  kLinkAttribute,
};

struct FrameKey {
  FrameField field = FrameField::kName;
  std::string key;  // attributes only

  auto operator<=>(const FrameKey&) const = default;
};

// The values that codes stand for. Immutable; the same object for as many
// frames as possible, so that what is found out about it once can be kept by
// its address.
struct FrameDictionary {
  std::vector<model::AttrValue> values;  // several codes may have equal ones
  std::vector<uint8_t> present;          // 0: the code means "absent"
};

// The values of one FrameKey, one for each span (event, link) of a frame.
struct FrameColumn {
  enum class Form : uint8_t {
    kAbsent,   // no row has a value: all vectors are empty
    kCodes,    // `codes` into `dictionary`
    kInts,     // `bits` as two's complement, where `present`
    kDoubles,  // `bits` as IEEE 754, where `present`
    kValues,   // `values`, where `present`
  };
  Form form = Form::kAbsent;
  std::vector<uint32_t> codes;
  std::shared_ptr<const FrameDictionary> dictionary;
  std::vector<uint64_t> bits;
  std::vector<model::AttrValue> values;  // text lives as long as the frame
  std::vector<uint8_t> present;          // by row; empty: every row has one
};

// The traces of a frame. Trace i has rows [first_rows[i], first_rows[i + 1]),
// in order of (start, span id, kind).
struct FrameTraces {
  std::vector<uint64_t> starts;     // Unix nanoseconds, of the earliest span
  std::vector<uint64_t> durations;  // nanoseconds, to the latest end
  std::vector<uint32_t> first_rows;
  // Not wholly in this frame: to be left out, another frame has all of them.
  std::vector<uint32_t> excluded;  // ascending
};

// Spans of whole traces as columns. What it hands out lives as long as the
// frame. Confined to one thread. kDataLoss: what is asked for is corrupt; the
// rest may be fine.
class TraceFrame {
 public:
  // What Parents has for a span without parent, and for one whose parent is
  // not in the trace.
  static constexpr uint32_t kRoot = UINT32_MAX;
  static constexpr uint32_t kOrphan = UINT32_MAX - 1;

  virtual ~TraceFrame() = default;

  virtual uint32_t span_count() const = 0;
  virtual uint32_t trace_count() const = 0;
  // Bytes read from storage so far.
  virtual uint64_t bytes_read() const = 0;

  virtual Result<const FrameTraces*> Traces() = 0;
  virtual Result<const std::vector<model::TraceId>*> TraceIds() = 0;
  // By row: the row of the parent (always in the same trace), kRoot or
  // kOrphan. Spans may be their own ancestors.
  virtual Result<const std::vector<uint32_t>*> Parents() = 0;
  // By row: where its events end; they begin where the row before ends.
  virtual Result<const std::vector<uint32_t>*> EventEnds() = 0;
  virtual Result<const std::vector<uint32_t>*> LinkEnds() = 0;

  // Of FrameRequest::columns[index].
  virtual Result<const FrameColumn*> Column(size_t index) = 0;
  // Lets go of what Column gave; it may be asked for again.
  virtual void Forget(size_t index) = 0;
  // False if certainly no row has this text. Cheaper than the column.
  virtual Result<bool> MayHaveText(size_t index, std::string_view text) = 0;
  // False if certainly every integer lies outside [low, high], and nothing
  // but integers is there.
  virtual Result<bool> MayHaveInt(size_t index, int64_t low, int64_t high) = 0;
  // The rows whose value equals this text (or is an array with it), ascending.
  // Nothing: the column is not cheaper to search than to read.
  virtual Result<std::optional<std::vector<uint32_t>>> RowsWithText(
      size_t index, std::string_view text) {
    static_cast<void>(index);
    static_cast<void>(text);
    return std::optional<std::vector<uint32_t>>();
  }
  // A frame of these traces (ascending) only, which reads no more than it has
  // to. It does not outlive this one. nullptr: this frame is as good.
  virtual Result<std::unique_ptr<TraceFrame>> Narrow(
      std::span<const uint32_t> traces) {
    static_cast<void>(traces);
    return std::unique_ptr<TraceFrame>();
  }
};

struct FrameRequest {
  std::vector<FrameKey> columns;
  // Traces without any time in [start, end] may be left out, and need not be.
  UnixNanos start{0};
  UnixNanos end = UnixNanos::Max();
  // Spans that start before do not matter: units without any other may be left
  // out.
  UnixNanos spans_start{0};
};

// What a scan goes through, for `explain`.
struct ScanSummary {
  uint64_t parts = 0;
  uint64_t parts_skipped = 0;   // of them, outside the time range
  uint64_t groups_skipped = 0;  // row groups of the others, likewise
  uint64_t group_units = 0;     // row groups that are left
  uint64_t head_units = 0;      // of spans that are in no part yet
  uint64_t head_spans = 0;
  uint64_t split_units = 0;
  uint64_t split_traces = 0;  // put together from several places
};

// Everything stored at one moment, in units that are small enough to be in
// memory one for each thread. Each trace is whole in one unit (and excluded
// from all others). Thread-safe.
class FrameScan {
 public:
  virtual ~FrameScan() = default;

  virtual size_t unit_count() const = 0;
  // No trace of the unit starts later; falls from unit to unit.
  virtual UnixNanos newest_start(size_t unit) const = 0;
  // Names the content of the unit, exclusions included: equal names, equal
  // answers, for ever. Empty: cannot be told.
  virtual std::string identity(size_t unit) const = 0;
  virtual ScanSummary summary() const { return {}; }
  virtual Result<std::unique_ptr<TraceFrame>> Open(
      const RequestContext& context, size_t unit) const = 0;
  // Of a unit that answered kDataLoss: written down for `doctor`, health and
  // log.
  virtual void NoteLoss(size_t unit, const Error& error) const = 0;
};

}  // namespace khtrace::storage
