// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "storage/trace_frame.h"

namespace khtrace::alerting {

// Values [begin, begin + count) of `column`, which go to [to, to + count).
struct ColumnPiece {
  const storage::FrameColumn* column = nullptr;
  uint32_t begin = 0;
  uint32_t count = 0;
  uint32_t to = 0;
};

// One column of `rows` values from pieces of others, which fill it. Texts and
// what is of several types become codes, unless nearly every value is another
// one. Texts are borrowed.
storage::FrameColumn JoinColumns(const std::vector<ColumnPiece>& pieces,
                                 uint32_t rows);

// Values [begin, end) of a column.
storage::FrameColumn CutColumn(const storage::FrameColumn& column,
                               uint32_t begin, uint32_t end);

}  // namespace khtrace::alerting
