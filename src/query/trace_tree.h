// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/span_batch.h"

namespace khtrace::query {

// Who called whom among the spans of one trace. Every row is in the tree
// exactly once, whatever the spans claim:
//  - a parent that is not in the trace makes its child a root (an orphan);
//  - of a cycle, the row that starts first becomes a root;
//  - where a client and a server span share one id (Zipkin), the server is
//    the client's child and the id's other children are the server's; of any
//    other rows with one id, the first gets the children.
// Siblings are ordered by start, then span id, then row. Immutable; `trace`
// is needed by the constructor only.
class TraceTree {
 public:
  static constexpr model::RowIndex kNoRow = UINT32_MAX;

  explicit TraceTree(const model::SpanBatch& trace);

  model::RowIndex row_count() const {
    return static_cast<model::RowIndex>(parent_.size());
  }
  std::span<const model::RowIndex> roots() const {
    return Children(row_count());
  }
  std::span<const model::RowIndex> children(model::RowIndex row) const {
    return Children(row);
  }
  // kNoRow for a root.
  model::RowIndex parent(model::RowIndex row) const { return parent_[row]; }
  // Whether the row names a parent that is not in the trace.
  bool orphan(model::RowIndex row) const { return orphan_[row]; }
  uint32_t orphan_count() const { return orphan_count_; }

  // Parents before children, siblings in order; a root's depth is 0.
  void ForEach(const std::function<void(model::RowIndex row, uint32_t depth)>&
                   visit) const;

 private:
  std::span<const model::RowIndex> Children(model::RowIndex owner) const {
    return {children_.data() + begin_[owner],
            begin_[owner + 1] - begin_[owner]};
  }
  void FindParents(const model::SpanBatch& trace);
  void CutCycles(std::span<const model::RowIndex> by_start);
  void FillChildren(std::span<const model::RowIndex> by_start);

  std::vector<model::RowIndex> parent_;
  std::vector<bool> orphan_;
  uint32_t orphan_count_ = 0;
  // Row i's children are children_[begin_[i], begin_[i + 1]); the roots come
  // last, as the children of row row_count().
  std::vector<uint32_t> begin_;
  std::vector<model::RowIndex> children_;
};

}  // namespace khtrace::query
