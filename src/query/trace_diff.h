// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "model/attr_value.h"
#include "model/span_batch.h"

// What differs between two traces of the same work, span by span: "Differences
// between traces" in docs/traceql.md. Pure.

namespace khtrace::query {

// One side. Immutable; borrows the batch, which is one trace.
class DiffTrace {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Span {
    model::RowIndex row = 0;
    uint32_t parent = kNone;  // number of it in spans()
    uint32_t position = 0;    // among its siblings, or the roots
    // Of the span's own attribute service.name, else of the resource.
    std::string_view service;
    std::string_view name;
    model::SpanKind kind = model::SpanKind::kUnspecified;
    model::StatusCode status = model::StatusCode::kUnset;
    // Nanoseconds; none if the start is missing or the end lies before it.
    std::optional<uint64_t> duration;
  };

  explicit DiffTrace(const model::SpanBatch& batch);

  const model::SpanBatch& batch() const { return *batch_; }
  // Parents before their children, siblings by start, orphans as roots
  // (TraceTree).
  const std::vector<Span>& spans() const { return spans_; }
  // Positions from the root down to the span.
  std::vector<uint32_t> PathOf(uint32_t span) const;

 private:
  const model::SpanBatch* batch_;
  std::vector<Span> spans_;
};

struct AttributeChange {
  std::string_view key;
  std::optional<model::AttrValue> before;  // nothing: was added
  std::optional<model::AttrValue> after;   // nothing: was removed
};

struct ModifiedSpan {
  uint32_t base = 0;  // numbers in spans()
  uint32_t compare = 0;
  bool duration = false;  // changed
  bool status = false;
  std::vector<AttributeChange> attributes;  // by key
};

struct TraceDiff {
  size_t matched = 0;  // spans that both have, modified ones included
  std::vector<ModifiedSpan> modified;  // in order of `compare`
  std::vector<uint32_t> added;         // numbers in compare's spans()
  std::vector<uint32_t> removed;       // numbers in base's
  size_t field_changes = 0;
  size_t attribute_changes = 0;
};

// Spans of equal service, name and kind match, in order, each at most one:
// first those whose parents are so equal, too. Durations differ by more than
// 1 ms and a fifth of the longer one, sizes and counts of tokens (attributes
// that semantic conventions define as such) by more than 5 %, all else exactly.
TraceDiff CompareTraces(const DiffTrace& base, const DiffTrace& compare);

}  // namespace khtrace::query
