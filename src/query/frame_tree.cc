// SPDX-License-Identifier: Apache-2.0
#include "query/frame_tree.h"

#include "aggregate/span_tree.h"

namespace khtrace::query {

using storage::TraceFrame;

Status FrameTree::Load() {
  if (raw_parents_ != nullptr) return {};
  ASSIGN_OR_RETURN(traces_, frame_.Traces());
  ASSIGN_OR_RETURN(raw_parents_, frame_.Parents());
  const uint32_t rows = frame_.span_count();
  trace_of_.resize(rows);
  parents_.resize(rows);
  roots_.assign(trace_count(), kNone);
  for (uint32_t t = 0; t < trace_count(); ++t) {
    const uint32_t end = traces_->first_rows[t + 1];
    for (uint32_t row = traces_->first_rows[t]; row < end; ++row) {
      trace_of_[row] = t;
      const uint32_t parent = (*raw_parents_)[row];
      const bool none = parent >= TraceFrame::kOrphan || parent == row;
      parents_[row] = none ? kNone : parent;
      if (parent == TraceFrame::kRoot && roots_[t] == kNone) roots_[t] = row;
    }
  }
  return {};
}

void FrameTree::FindCycles() {
  cyclic_.assign(trace_count(), 0);
  // The row from which a row was come to first.
  std::vector<uint32_t> met(parents_.size(), kNone);
  for (uint32_t row = 0; row < parents_.size(); ++row) {
    uint32_t at = row;
    while (at != kNone && met[at] == kNone) {
      met[at] = row;
      at = parents_[at];
    }
    if (at != kNone && met[at] == row) cyclic_[trace_of_[row]] = 1;
  }
}

void FrameTree::FindChildren() {
  if (!child_begin_.empty()) return;
  const auto rows = static_cast<uint32_t>(parents_.size());
  child_begin_.assign(rows + 1, 0);
  for (const uint32_t parent : parents_) {
    if (parent != kNone) ++child_begin_[parent + 1];
  }
  for (uint32_t row = 0; row < rows; ++row) {
    child_begin_[row + 1] += child_begin_[row];
  }
  children_.resize(child_begin_.back());
  std::vector<uint32_t> next(child_begin_.begin(), child_begin_.end() - 1);
  for (uint32_t row = 0; row < rows; ++row) {
    if (parents_[row] != kNone) children_[next[parents_[row]]++] = row;
  }
}

std::span<const uint32_t> FrameTree::children(uint32_t row) {
  FindChildren();
  return {children_.data() + child_begin_[row],
          child_begin_[row + 1] - child_begin_[row]};
}

// Without recursion: a trace may be as deep as it has spans.
void FrameTree::WalkFrom(uint32_t root, uint32_t* counter) {
  struct Step {
    uint32_t row;
    uint32_t next_child;
  };
  std::vector<Step> path{{root, 0}};
  left_[root] = (*counter)++;
  while (!path.empty()) {
    Step& step = path.back();
    const auto below = children(step.row);
    if (step.next_child < below.size()) {
      const uint32_t child = below[step.next_child++];
      left_[child] = (*counter)++;
      path.push_back({child, 0});
    } else {
      right_[step.row] = (*counter)++;
      path.pop_back();
    }
  }
}

void FrameTree::Walk() {
  if (!left_.empty()) return;
  left_.assign(parents_.size(), 0);
  right_.assign(parents_.size(), 0);
  for (uint32_t t = 0; t < trace_count(); ++t) {
    uint32_t counter = 1;
    const uint32_t end = traces_->first_rows[t + 1];
    for (uint32_t row = traces_->first_rows[t]; row < end; ++row) {
      if (is_root(row)) WalkFrom(row, &counter);
    }
  }
}

int64_t FrameTree::nested_left(uint32_t row) {
  Walk();
  return left_[row];
}

int64_t FrameTree::nested_right(uint32_t row) {
  Walk();
  return right_[row];
}

int64_t FrameTree::nested_parent(uint32_t row) {
  Walk();
  if (is_root(row)) return -1;
  if (left_[row] == 0 || parents_[row] == kNone) return 0;
  return left_[parents_[row]];
}

void FrameTree::FindTimes(std::span<const uint64_t> starts,
                          std::span<const uint64_t> durations) {
  if (!self_.empty()) return;
  self_.resize(parents_.size());
  critical_.resize(parents_.size());
  aggregate::SpanTree tree;
  std::vector<uint32_t> parents;
  std::vector<uint64_t> ends;
  std::vector<uint64_t> times;
  for (uint32_t t = 0; t < trace_count(); ++t) {
    const uint32_t first = traces_->first_rows[t];
    const uint32_t count = traces_->first_rows[t + 1] - first;
    parents.clear();
    ends.clear();
    for (uint32_t row = first; row < first + count; ++row) {
      const uint32_t parent = (*raw_parents_)[row];
      parents.push_back(parent >= TraceFrame::kOrphan ? aggregate::kNoRow
                                                      : parent - first);
      ends.push_back(starts[row] + durations[row]);
    }
    const auto begins = starts.subspan(first, count);
    tree.SetParents(parents);
    tree.ChildTimes(begins, ends, &times);
    for (uint32_t i = 0; i < count; ++i) {
      self_[first + i] = durations[first + i] - times[i];
    }
    uint32_t root = aggregate::kNoRow;
    if (roots_[t] != kNone) {
      root = roots_[t] - first;
    } else {
      for (uint32_t i = 0; i < count && root == aggregate::kNoRow; ++i) {
        if (tree.parents()[i] == aggregate::kNoRow) root = i;
      }
    }
    tree.CriticalTimes(begins, ends, root, &times);
    for (uint32_t i = 0; i < count; ++i) critical_[first + i] = times[i];
  }
}

uint64_t FrameTree::self_time(uint32_t row, std::span<const uint64_t> starts,
                              std::span<const uint64_t> durations) {
  FindTimes(starts, durations);
  return self_[row];
}

uint64_t FrameTree::critical_time(uint32_t row,
                                  std::span<const uint64_t> starts,
                                  std::span<const uint64_t> durations) {
  FindTimes(starts, durations);
  return critical_[row];
}

}  // namespace khtrace::query
