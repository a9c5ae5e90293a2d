// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "aggregate/span_tree.h"
#include "model/span_batch.h"
#include "model/span_batch_builder.h"

namespace khtrace::aggregate {

// The spans of one trace with what follows from their parents and times.
// Borrows everything.
struct TraceView {
  model::TraceId id;
  // Ordered by (start, span id, kind), no two equal.
  std::span<const model::RowRef> rows;
  std::span<const uint64_t> starts;  // by row, as all below
  std::span<const uint64_t> ends;    // as sent: perhaps before the start
  const SpanTree* tree = nullptr;
  // Where the critical path ends: the first span without parent, else the
  // first whose parent is not in the trace.
  uint32_t root = kNoRow;
  std::span<const uint64_t> critical;  // nanoseconds
};

// Makes a TraceView of the spans of a trace, wherever they lie. Confined to
// one thread; used again, it takes no new memory.
class TraceLinker {
 public:
  // `rows`: of one trace, in any order; not none. Of equal ones (span id,
  // kind, start) the first one given stays. A parent is the first span with
  // its id. What is returned lives until the next call.
  TraceView Link(std::span<const model::RowRef> rows);

 private:
  void FindParents();

  std::vector<model::RowRef> rows_;
  std::vector<uint64_t> starts_;
  std::vector<uint64_t> ends_;
  std::vector<uint32_t> parents_;
  std::vector<uint64_t> critical_;
  std::vector<std::pair<uint64_t, uint32_t>> by_id_;
  SpanTree tree_;
};

}  // namespace khtrace::aggregate
