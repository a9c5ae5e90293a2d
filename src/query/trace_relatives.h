// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/span_batch.h"

namespace khtrace::query {

// How much of a trace is told around some of its spans.
struct Relatives {
  static constexpr uint32_t kAll = UINT32_MAX;

  uint32_t ancestors = 0;    // levels above each of them, parents first
  uint32_t descendants = 0;  // levels below each of them
};

// `rows` of the trace and what is asked for around them, ascending, each once.
// Who is whose parent: TraceTree.
std::vector<model::RowIndex> WithRelatives(
    const model::SpanBatch& trace, std::span<const model::RowIndex> rows,
    const Relatives& relatives);

}  // namespace khtrace::query
