// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aggregate/span_tree.h"
#include "model/span_batch.h"
#include "query/span_judge.h"

namespace khtrace::query::reference {

// One whole trace with all that TraceQL wants to know of its spans and that
// follows from the others. Borrows the batch. Immutable.
class Trace {
 public:
  static constexpr uint32_t kNoRow = aggregate::kNoRow;

  // `batch`: one trace, in order of (start, span id, kind), at least a span.
  // `judge`: for perf:category and perf:grade; outlives the trace.
  explicit Trace(const model::SpanBatch& batch,
                 const SpanJudge* judge = nullptr);

  const model::SpanBatch& batch() const { return *batch_; }
  const SpanJudge* judge() const { return judge_; }
  SpanJudge::Judgement JudgementOf(uint32_t row) const;
  uint32_t size() const { return batch_->row_count(); }
  uint64_t start(uint32_t row) const { return batch_->spans().start[row].ns; }

  // The first span with the row's parent id; kNoRow without one, and for a
  // span that would be its own parent. Spans may be each other's ancestors.
  uint32_t parent(uint32_t row) const { return parents_[row]; }
  // Without parent id.
  bool root(uint32_t row) const {
    return batch_->spans().parent_span_id[row].IsZero();
  }
  uint32_t child_count(uint32_t row) const { return child_counts_[row]; }
  // How l stands to r. A span is no relative of itself.
  bool IsParent(uint32_t l, uint32_t r) const;
  bool IsAncestor(uint32_t l, uint32_t r) const;
  // Of one parent, or both roots.
  bool IsSibling(uint32_t l, uint32_t r) const;

  // 0 for what no root leads to; the parent is -1 for roots.
  int64_t left(uint32_t row) const { return left_[row]; }
  int64_t right(uint32_t row) const { return right_[row]; }
  int64_t nested_parent(uint32_t row) const;

  // Nanoseconds: docs/format/part.md, "Computed values".
  uint64_t self_time(uint32_t row) const { return self_times_[row]; }
  uint64_t critical_time(uint32_t row) const { return critical_times_[row]; }

  // The earliest span without parent id, kNoRow if there is none.
  uint32_t first_root() const { return first_root_; }
  uint64_t first_start() const { return first_start_; }
  uint64_t duration() const { return duration_; }
  uint32_t error_count() const { return error_count_; }

  // Ids as TraceQL shows them; empty for no parent.
  const std::string& id() const { return id_; }
  const std::string& span_id(uint32_t row) const { return span_ids_[row]; }
  const std::string& parent_id(uint32_t row) const { return parent_ids_[row]; }
  // `link`: index into the batch's links.
  const std::string& link_trace_id(uint32_t link) const {
    return link_trace_ids_[link];
  }
  const std::string& link_span_id(uint32_t link) const {
    return link_span_ids_[link];
  }

 private:
  void FindParents();
  void NumberNestedSets();
  void MeasureTimes();
  void WriteIds();

  const model::SpanBatch* batch_;
  const SpanJudge* judge_;
  std::vector<uint32_t> parents_;
  std::vector<uint32_t> child_counts_;
  std::vector<int64_t> left_;
  std::vector<int64_t> right_;
  std::vector<uint64_t> self_times_;
  std::vector<uint64_t> critical_times_;
  uint32_t first_root_ = kNoRow;
  uint64_t first_start_ = 0;
  uint64_t duration_ = 0;
  uint32_t error_count_ = 0;
  std::string id_;
  std::vector<std::string> span_ids_;
  std::vector<std::string> parent_ids_;
  std::vector<std::string> link_trace_ids_;
  std::vector<std::string> link_span_ids_;
};

}  // namespace khtrace::query::reference
