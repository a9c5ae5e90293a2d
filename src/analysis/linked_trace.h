// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "aggregate/partial_rows.h"
#include "aggregate/span_tree.h"
#include "analysis/critical_path.h"
#include "model/span_batch.h"

namespace khtrace::analysis {

// One trace: its spans in order of (start, span id, kind), each once, with
// their tree (aggregate/trace_view.h). A position here is not a row of the
// batch: row() tells. Confined to one thread; the batch outlives it.
class LinkedTrace {
 public:
  explicit LinkedTrace(const model::SpanBatch& trace);

  const model::SpanBatch& batch() const { return batch_; }
  uint32_t size() const { return static_cast<uint32_t>(rows_.size()); }
  model::RowIndex row(uint32_t i) const { return rows_[i]; }
  // kNoRow without one in the trace.
  uint32_t parent(uint32_t i) const { return tree_.parents()[i]; }
  std::span<const uint32_t> children(uint32_t i) const {
    return tree_.children(i);
  }
  uint64_t start(uint32_t i) const { return starts_[i]; }
  uint64_t end(uint32_t i) const { return ends_[i]; }  // not before the start
  uint64_t duration(uint32_t i) const { return ends_[i] - starts_[i]; }
  bool failed(uint32_t i) const;
  std::string_view service(uint32_t i) const;
  std::string_view name(uint32_t i) const;
  model::SpanKind kind(uint32_t i) const;
  // Of its attributes: the first that says something.
  aggregate::Trait trait(uint32_t i) const;
  // The text of the span's attribute of the first of `keys` that it has; ""
  // without one.
  std::string_view Text(uint32_t i,
                        std::initializer_list<std::string_view> keys) const;
  // A number of whatever type; none that is infinite or NaN.
  std::optional<double> Number(
      uint32_t i, std::initializer_list<std::string_view> keys) const;
  // Of its resource; "" without one.
  std::string_view ResourceText(uint32_t i, std::string_view key) const;
  // Whether it has no parent, or names one that is not here.
  bool is_root(uint32_t i) const;
  bool lost_parent(uint32_t i) const;
  // Whose duration the critical path divides; kNoRow of an empty trace.
  uint32_t root() const { return root_; }

  // Rows of the path are the batch's.
  CriticalPath Path();
  // By position: nanoseconds during which one of its children ran.
  std::vector<uint64_t> ChildTimes();
  // By position: whether something below it failed.
  std::vector<uint8_t> FailedBelow() const;

 private:
  const model::Attr* Find(uint32_t i,
                          std::initializer_list<std::string_view> keys) const;

  const model::SpanBatch& batch_;
  std::vector<model::RowIndex> rows_;
  std::vector<uint64_t> starts_;
  std::vector<uint64_t> ends_;
  aggregate::SpanTree tree_;
  uint32_t root_ = aggregate::kNoRow;
};

}  // namespace khtrace::analysis
