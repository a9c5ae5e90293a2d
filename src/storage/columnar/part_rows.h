// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/span_batch.h"

namespace khtrace::storage::columnar {

struct RowRef {
  uint32_t batch = 0;
  model::RowIndex row = 0;
};

// A trace's spans: rows [first, first + count) of RowOrder::rows.
struct TraceSlice {
  model::TraceId id;
  uint64_t start = 0;  // of the earliest span
  size_t first = 0;
  uint32_t count = 0;
};

// All rows in a part's order: traces by (start, id), their spans by (start,
// span id, kind), of equal ones only the first.
struct RowOrder {
  std::vector<RowRef> rows;
  std::vector<TraceSlice> traces;
};

RowOrder OrderRows(std::span<const model::SpanBatchPtr> batches);

}  // namespace khtrace::storage::columnar
