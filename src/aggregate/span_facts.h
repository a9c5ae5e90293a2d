// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "aggregate/partial_rows.h"
#include "aggregate/span_tree.h"
#include "model/span_batch.h"

// A trace as PartialBuilder counts it, wherever its spans come from: rows of
// batches (row_facts.h), or columns of a part that is being written.

namespace khtrace::aggregate {

// What every span is asked for. Texts are PartialBuilder::Intern's.
struct SpanFacts {
  TextId service;
  TextId name;
  model::SpanKind kind = model::SpanKind::kUnspecified;
  model::StatusCode status = model::StatusCode::kUnset;
  Trait trait = Trait::kNone;
  bool has_events = false;
  uint64_t unsampled = 0;  // RedCell's
};

inline bool IsOutgoing(model::SpanKind kind) {
  return kind == model::SpanKind::kClient || kind == model::SpanKind::kProducer;
}

// One error of a span: fields of ErrorKey.
struct ErrorFacts {
  TextId type;
  TextId message;  // normalised
  TextId frame;
  uint32_t frames = 0;
};

// Borrows everything.
struct TraceFacts {
  model::TraceId id;
  // Ordered by (start, span id, kind), no two equal.
  std::span<const SpanFacts> spans;
  std::span<const uint64_t> starts;  // by row, as all below
  std::span<const uint64_t> ends;    // as sent: perhaps before the start
  const SpanTree* tree = nullptr;
  // Where the critical path ends: the first span without parent, else the
  // first whose parent is not in the trace.
  uint32_t root = kNoRow;
  std::span<const uint64_t> critical;  // nanoseconds
};

// What few spans are asked for. `row`: of the trace that is being added.
class SpanDetails {
 public:
  virtual ~SpanDetails() = default;
  // What an outgoing span calls, by its attributes.
  virtual Target TargetOf(uint32_t row) = 0;
  // Appends the exceptions among the span's events.
  virtual void AppendExceptions(uint32_t row, std::vector<ErrorFacts>* out) = 0;
  // Of a failed span without exceptions.
  virtual ErrorFacts ErrorOf(uint32_t row) = 0;
};

}  // namespace khtrace::aggregate
