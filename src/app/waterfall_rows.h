// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/span_batch.h"
#include "query/trace_tree.h"

// Which spans of a trace the waterfall shows, in which order, and where the
// lines of the tree run.

namespace khtrace::app {

// One level of indentation.
enum class Branch : uint8_t {
  kBlank,   // below a last child
  kLine,    // passes by
  kTee,     // a child with more to come
  kCorner,  // the last child
};

struct WaterfallRow {
  static constexpr model::RowIndex kFolded = query::TraceTree::kNoRow;

  model::RowIndex row = kFolded;
  // The innermost levels, at most kMaxLevels; a root has none.
  std::vector<Branch> branches;
  bool deeper = false;  // there are levels left of those in `branches`
  bool has_children = false;
  // Of a folded row: like siblings that are not shown one by one.
  model::RowIndex sample = kFolded;  // one of them
  uint32_t folded_siblings = 0;
  uint32_t folded_spans = 0;  // with everything below
  uint64_t min_duration_ns = UINT64_MAX;
  uint64_t max_duration_ns = 0;
};

struct WaterfallPlan {
  // Deeper trees lose their leftmost lines: names stay readable, and a chain
  // of 10 000 spans takes no more than any other 10 000.
  static constexpr size_t kMaxLevels = 12;

  std::vector<WaterfallRow> rows;
  uint32_t hidden_spans = 0;  // beyond the limit of rows
  uint32_t folded_spans = 0;
};

// Siblings of one service and name beyond the fifth are folded, but for those
// with an error in or below them: when there are more than five in all, three
// are shown. `fold` false shows every span. At most `max_rows` rows; 0 = all.
WaterfallPlan PlanWaterfall(const model::SpanBatch& trace,
                            const query::TraceTree& tree, bool fold,
                            size_t max_rows);

}  // namespace khtrace::app
