// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "storage/trace_frame.h"

namespace khtrace::query {

// What follows from the parents of all spans of a frame, made when it is asked
// for. Confined to one thread.
class FrameTree {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit FrameTree(storage::TraceFrame& frame) : frame_(frame) {}

  // Reads what the rest needs.
  Status Load();

  uint32_t row_count() const { return static_cast<uint32_t>(parents_.size()); }
  uint32_t trace_count() const {
    return static_cast<uint32_t>(traces_->starts.size());
  }
  const storage::FrameTraces& traces() const { return *traces_; }
  uint32_t trace_of(uint32_t row) const { return trace_of_[row]; }

  // The parent's row; kNone for roots and orphans and what names itself.
  uint32_t parent(uint32_t row) const { return parents_[row]; }
  bool is_root(uint32_t row) const {
    return (*raw_parents_)[row] == storage::TraceFrame::kRoot;
  }
  // The earliest span without parent, or kNone.
  uint32_t root_of(uint32_t trace) const { return roots_[trace]; }
  // Whether some span of the row's trace is its own ancestor.
  bool in_cyclic_trace(uint32_t row) {
    if (cyclic_.empty()) FindCycles();
    return cyclic_[trace_of_[row]] != 0;
  }
  std::span<const uint32_t> children(uint32_t row);
  uint32_t child_count(uint32_t row) {
    return static_cast<uint32_t>(children(row).size());
  }

  // Numbers of the walk from the roots; 0 for spans that it does not reach.
  int64_t nested_left(uint32_t row);
  int64_t nested_right(uint32_t row);
  // -1 for roots.
  int64_t nested_parent(uint32_t row);

  // Nanoseconds. `starts` and `durations` are those of all rows.
  uint64_t self_time(uint32_t row, std::span<const uint64_t> starts,
                     std::span<const uint64_t> durations);
  uint64_t critical_time(uint32_t row, std::span<const uint64_t> starts,
                         std::span<const uint64_t> durations);

 private:
  void FindCycles();
  void FindChildren();
  void Walk();
  void WalkFrom(uint32_t root, uint32_t* counter);
  void FindTimes(std::span<const uint64_t> starts,
                 std::span<const uint64_t> durations);

  storage::TraceFrame& frame_;
  const storage::FrameTraces* traces_ = nullptr;
  const std::vector<uint32_t>* raw_parents_ = nullptr;
  std::vector<uint32_t> trace_of_;
  std::vector<uint32_t> parents_;
  std::vector<uint32_t> roots_;
  std::vector<uint8_t> cyclic_;        // by trace
  std::vector<uint32_t> child_begin_;  // one more than rows
  std::vector<uint32_t> children_;
  std::vector<uint32_t> left_;
  std::vector<uint32_t> right_;
  std::vector<uint64_t> self_;
  std::vector<uint64_t> critical_;
};

}  // namespace khtrace::query
