// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

// What the parents and times of a trace's spans say of each span: its place in
// the tree, its self time, its time on the critical path. Definitions and
// their sources: docs/format/part.md, "Computed values".

namespace khtrace::aggregate {

inline constexpr uint32_t kNoRow = UINT32_MAX;

// The tree of one trace and what follows from it. Kept and used again for the
// next trace, it takes no new memory. Confined to one thread.
class SpanTree {
 public:
  // `parents`: the row of each span's parent, kNoRow without one. Of spans
  // that are their own ancestors, the one with the lowest row counts as having
  // no parent. Rows are in order of start.
  void SetParents(std::span<const uint32_t> parents);

  // The rest is about the trace that was last given to SetParents.

  size_t size() const { return parents_.size(); }
  // As given, cycles broken.
  std::span<const uint32_t> parents() const { return parents_; }
  uint32_t child_count(uint32_t row) const {
    return child_begin_[row + 1] - child_begin_[row];
  }
  // In order of rows.
  std::span<const uint32_t> children(uint32_t row) const {
    return {children_.data() + child_begin_[row], child_count(row)};
  }

  // Nested sets: a span's descendants are those whose left lies between its
  // left and right. Numbers 1 to 2n, each used once; trees and children in
  // order of rows. Replaces both.
  void NestedSets(std::vector<uint32_t>* left,
                  std::vector<uint32_t>* right) const;

  // Nanoseconds of each span during which one of its children ran: its
  // duration minus its self time. `ends` below `starts` count as equal.
  // Replaces `out`.
  void ChildTimes(std::span<const uint64_t> starts,
                  std::span<const uint64_t> ends, std::vector<uint64_t>* out);

  // A piece of the critical path during which the path was in `row` itself.
  struct Segment {
    uint32_t row = 0;
    uint64_t begin = 0;
    uint64_t end = 0;
  };
  // The critical path from `root`, the latest piece of each span first; none
  // is empty, and together they cover the root's time once. Replaces `out`.
  void CriticalSegments(std::span<const uint64_t> starts,
                        std::span<const uint64_t> ends, uint32_t root,
                        std::vector<Segment>* out);
  // Nanoseconds of each span on the critical path from `root`: they add up to
  // the root's duration. Replaces `out`.
  void CriticalTimes(std::span<const uint64_t> starts,
                     std::span<const uint64_t> ends, uint32_t root,
                     std::vector<uint64_t>* out);

 private:
  // A span with the part of its time that the path may take.
  struct Visit {
    uint32_t row = 0;
    uint64_t begin = 0;
    uint64_t end = 0;
  };

  template <typename Take>  // void(uint32_t row, uint64_t begin, uint64_t end)
  void WalkCritical(std::span<const uint64_t> starts,
                    std::span<const uint64_t> ends, uint32_t root,
                    const Take& take);
  void BreakCycles();
  void LastFirst(std::span<const uint64_t> starts,
                 std::span<const uint64_t> ends, const Visit& visit);

  std::vector<uint32_t> parents_;
  std::vector<uint32_t> child_begin_;  // one more than spans
  std::vector<uint32_t> children_;
  std::vector<uint64_t> covered_until_;  // ChildTimes'
  std::vector<Visit> todo_;              // CriticalTimes'
  std::vector<Visit> ordered_;
};

}  // namespace khtrace::aggregate
