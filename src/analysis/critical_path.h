// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aggregate/partial.h"
#include "analysis/operation_report.h"
#include "model/span_batch.h"

// What a trace waited for, span by span, and many traces together.

namespace khtrace::analysis {

// A piece of the critical path: during it, nothing but `row` kept the trace
// from ending. Segments follow each other without gap or overlap and add up
// to the duration of the root.
struct PathSegment {
  model::RowIndex row = 0;
  UnixNanos start;
  UnixNanos end;
};

// By start. Empty for a batch without spans. `root`: the span whose duration
// is divided (docs/format/part.md, "Computed values").
struct CriticalPath {
  model::RowIndex root = 0;
  std::vector<PathSegment> segments;
};
CriticalPath FindCriticalPath(const model::SpanBatch& trace);

// A part of critical paths, by operation.
struct PathShare {
  std::string service;
  std::string operation;
  uint64_t nanos = 0;   // on the paths
  double share = 0;     // of all nanoseconds of the paths
  uint64_t traces = 0;  // on whose path it is
  // Of the mean path duration: what the mean trace would gain if the operation
  // took a tenth less. An estimate, as if the rest stayed.
  double what_if_10_percent = 0;
};

// By operation, greatest first.
std::vector<PathShare> SharesOf(const model::SpanBatch& trace,
                                const CriticalPath& path);

struct RootPaths {
  std::string root_service;
  std::string root_operation;
  uint64_t nanos = 0;
  std::vector<PathShare> shares;  // greatest first
};

// Of all traces, by the operation of their root; most nanoseconds first. Empty
// names: all roots.
std::vector<RootPaths> PathsByRoot(const aggregate::Partial& partial,
                                   std::string_view root_service,
                                   std::string_view root_operation);

}  // namespace khtrace::analysis
