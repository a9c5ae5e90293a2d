// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "aggregate/span_tree.h"
#include "storage/columnar/encoding_bytes.h"
#include "storage/columnar/part.h"
#include "storage/columnar/part_file.h"
#include "storage/columnar/part_schema.h"

// How what is computed of a trace's spans is written into its part
// (docs/format/part.md, "Computed values").

namespace khtrace::storage::columnar {

// The row of the parent within the trace, of the span in `row` with the code
// `code` in its parent column; kNoRow without one.
inline uint32_t ParentRow(uint64_t code, uint32_t row) {
  if (code < kFirstParentDistance) return aggregate::kNoRow;
  return row - static_cast<uint32_t>(UnZigZag(code - kFirstParentDistance));
}

// Where the trace's critical path ends: the first span without parent, else
// the first whose parent is not known. `parents`: codes, by row.
inline uint32_t CriticalRoot(const aggregate::SpanTree& tree,
                             const uint64_t* parents) {
  uint32_t root = aggregate::kNoRow;
  for (uint32_t row = 0; row < tree.size(); ++row) {
    if (parents[row] == kNoParent) return row;
    if (root == aggregate::kNoRow && tree.parents()[row] == aggregate::kNoRow) {
      root = row;
    }
  }
  return root;
}

// 0: none of it; 1: the self time; else their difference.
inline uint64_t CriticalCode(uint64_t critical, uint64_t self) {
  if (critical == 0) return 0;
  return critical == self ? 1 : ZigZag(critical - self) + 1;
}
inline uint64_t CriticalFromCode(uint64_t code, uint64_t self) {
  if (code == 0) return 0;
  return code == 1 ? self : self + UnZigZag(code - 1);
}

// What is computed of the spans of one trace, that are `spans` rows from
// `first` on in the row group. kDataLoss: columns contradict each other.
Result<ComputedSpans> ReadComputed(const PartFile& file, size_t group,
                                   uint32_t first, uint32_t spans);

}  // namespace khtrace::storage::columnar
