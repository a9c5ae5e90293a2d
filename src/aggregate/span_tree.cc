// SPDX-License-Identifier: Apache-2.0
#include "aggregate/span_tree.h"

#include <algorithm>

namespace khtrace::aggregate {

void SpanTree::BreakCycles() {
  // A parent in an earlier row never closes a cycle.
  bool suspect = false;
  for (uint32_t row = 0; row < parents_.size(); ++row) {
    suspect |= parents_[row] != kNoRow && parents_[row] >= row;
  }
  if (!suspect) return;
  // Each walk marks what it passes; meeting its own mark closes a cycle. Rows
  // ascend, but the walk may meet the cycle elsewhere than at its lowest row.
  std::vector<uint32_t> mark(parents_.size(), kNoRow);
  for (uint32_t row = 0; row < parents_.size(); ++row) {
    uint32_t at = row;
    while (at != kNoRow && mark[at] == kNoRow) {
      mark[at] = row;
      at = parents_[at];
    }
    if (at == kNoRow || mark[at] != row) continue;
    uint32_t lowest = at;
    for (uint32_t i = parents_[at]; i != at; i = parents_[i]) {
      lowest = std::min(lowest, i);
    }
    parents_[lowest] = kNoRow;
  }
}

void SpanTree::SetParents(std::span<const uint32_t> parents) {
  const size_t n = parents.size();
  parents_.assign(parents.begin(), parents.end());
  BreakCycles();
  child_begin_.assign(n + 1, 0);
  for (const uint32_t parent : parents_) {
    if (parent != kNoRow) ++child_begin_[parent + 1];
  }
  for (size_t i = 1; i <= n; ++i) child_begin_[i] += child_begin_[i - 1];
  children_.resize(child_begin_[n]);
  // Placing a parent's children moves its begin to the next one's; put back
  // afterwards.
  for (uint32_t row = 0; row < n; ++row) {
    if (parents_[row] != kNoRow) children_[child_begin_[parents_[row]]++] = row;
  }
  for (size_t i = n; i > 0; --i) child_begin_[i] = child_begin_[i - 1];
  child_begin_[0] = 0;
}

void SpanTree::NestedSets(std::vector<uint32_t>* left,
                          std::vector<uint32_t>* right) const {
  left->assign(size(), 0);
  right->assign(size(), 0);
  std::vector<uint32_t> next(child_begin_.begin(), child_begin_.end() - 1);
  uint32_t number = 0;
  for (uint32_t root = 0; root < size(); ++root) {
    if (parents_[root] != kNoRow) continue;
    (*left)[root] = ++number;
    for (uint32_t at = root; at != kNoRow;) {
      if (next[at] < child_begin_[at + 1]) {
        at = children_[next[at]++];
        (*left)[at] = ++number;
      } else {
        (*right)[at] = ++number;
        at = parents_[at];
      }
    }
  }
}

void SpanTree::ChildTimes(std::span<const uint64_t> starts,
                          std::span<const uint64_t> ends,
                          std::vector<uint64_t>* out) {
  out->assign(size(), 0);
  covered_until_.assign(starts.begin(), starts.end());
  // Children come in order of start, so that what was covered grows from left
  // to right.
  for (size_t row = 0; row < size(); ++row) {
    const uint32_t parent = parents_[row];
    if (parent == kNoRow) continue;
    uint64_t& until = covered_until_[parent];
    const uint64_t begin = std::max(starts[row], until);
    const uint64_t end = std::min(ends[row], ends[parent]);
    if (end <= begin) continue;
    (*out)[parent] += end - begin;
    until = end;
  }
}

// Fills ordered_ with the children of `visit` that ran during it: the last to
// end first, of those the longest.
void SpanTree::LastFirst(std::span<const uint64_t> starts,
                         std::span<const uint64_t> ends, const Visit& visit) {
  ordered_.clear();
  for (const uint32_t row : children(visit.row)) {
    const uint64_t begin = std::max(starts[row], visit.begin);
    const uint64_t end = std::min(ends[row], visit.end);
    if (begin < end) ordered_.push_back({row, begin, end});
  }
  if (ordered_.size() < 2) return;
  std::sort(ordered_.begin(), ordered_.end(),
            [](const Visit& a, const Visit& b) {
              if (a.end != b.end) return a.end > b.end;
              return a.begin != b.begin ? a.begin < b.begin : a.row < b.row;
            });
}

template <typename Take>
void SpanTree::WalkCritical(std::span<const uint64_t> starts,
                            std::span<const uint64_t> ends, uint32_t root,
                            const Take& take) {
  if (root >= size() || ends[root] <= starts[root]) return;
  todo_.assign({{root, starts[root], ends[root]}});
  while (!todo_.empty()) {
    const Visit visit = todo_.back();
    todo_.pop_back();
    LastFirst(starts, ends, visit);
    // Backwards from the end: a child that was still running when the path
    // had left for a later one was not waited for.
    uint64_t at = visit.end;
    for (const Visit& child : ordered_) {
      if (child.end > at) continue;
      take(visit.row, child.end, at);
      todo_.push_back(child);
      at = child.begin;
    }
    take(visit.row, visit.begin, at);
  }
}

void SpanTree::CriticalSegments(std::span<const uint64_t> starts,
                                std::span<const uint64_t> ends, uint32_t root,
                                std::vector<Segment>* out) {
  out->clear();
  WalkCritical(starts, ends, root,
               [out](uint32_t row, uint64_t begin, uint64_t end) {
                 if (begin < end) out->push_back({row, begin, end});
               });
}

void SpanTree::CriticalTimes(std::span<const uint64_t> starts,
                             std::span<const uint64_t> ends, uint32_t root,
                             std::vector<uint64_t>* out) {
  out->assign(size(), 0);
  WalkCritical(starts, ends, root,
               [out](uint32_t row, uint64_t begin, uint64_t end) {
                 (*out)[row] += end - begin;
               });
}

}  // namespace khtrace::aggregate
