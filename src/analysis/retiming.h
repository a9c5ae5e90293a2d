// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "aggregate/span_tree.h"
#include "analysis/trace_sample.h"

namespace khtrace::analysis {

// One trace run again with one operation faster. The rules are those of the
// critical path (docs/format/part.md, "Computed values"): a call begins some
// own time of its caller after all of the caller's earlier calls have ended,
// and a span ends some own time after its last call. Own times are what the
// trace shows; calls that ran beside each other still do, so that a trace gains
// no more than the longest path beside the shortened one allows. Spans are cut
// to their callers. Confined to one thread; used again, it takes no new memory.
class Retiming {
 public:
  // `spans`: of one trace, in order of start; at least one. `root`: whose
  // duration the path divides; kNoRow: the first span whose parent is missing.
  void Set(std::span<const TraceSample::Span> spans, uint32_t root);

  // The root's.
  uint64_t duration() const { return duration_; }
  // By span: nanoseconds on the critical path; they add up to duration().
  const std::vector<uint64_t>& critical() const { return critical_; }
  // The root's, if all own time of `operation` took `percent` (0 to 100) less.
  uint64_t DurationIf(uint32_t operation, uint32_t percent);

 private:
  // A span, cut to its caller. Calls come behind their callers.
  struct Node {
    uint32_t row = 0;
    uint32_t operation = 0;
    uint64_t begin = 0;
    uint64_t end = 0;
    uint32_t first_call = 0;  // places in nodes_, in order of begin
    uint32_t calls = 0;
    uint64_t before = 0;  // own time of the caller before it begins
    uint32_t ended = 0;   // calls of the caller that have ended until then
    uint64_t tail = 0;    // own time after the last call
  };

  void AddCalls(std::span<const TraceSample::Span> spans, size_t caller);

  aggregate::SpanTree tree_;
  std::vector<uint32_t> parents_;
  std::vector<uint64_t> starts_;
  std::vector<uint64_t> ends_;
  std::vector<uint64_t> critical_;
  std::vector<Node> nodes_;
  // For each range of calls: the same places in order of end.
  std::vector<uint32_t> by_end_;
  std::vector<uint64_t> lengths_;   // by node, in the other run
  std::vector<uint64_t> finishes_;  // likewise, since the caller's begin
  uint64_t duration_ = 0;
};

}  // namespace khtrace::analysis
