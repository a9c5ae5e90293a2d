// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/trace_sample.h"
#include "model/span_batch.h"

// Why one trace, or one set of traces, takes longer than another: both as one
// tree of operations, with what each of them waited for. Pure.

namespace khtrace::analysis {

// Of one side's mean trace, whether it has the operation or not.
struct ComparedSide {
  uint64_t traces = 0;    // that have it
  double calls = 0;       // of it
  double span_nanos = 0;  // its spans' durations together
  double path_nanos = 0;  // of them on the critical path
};

// An operation as it is called: spans of one service and name whose callers
// are those of `parent`.
struct ComparedNode {
  static constexpr uint32_t kNoParent = UINT32_MAX;

  std::string service;
  std::string operation;
  uint32_t parent = kNoParent;  // place in the list
  uint32_t depth = 0;           // of those without parent
  ComparedSide a;
  ComparedSide b;
  double difference = 0;  // of path_nanos, b minus a
  // Whether it is chance that times on the path differ: of a rank test over
  // the traces, corrected for the number of nodes. 1 where a side has fewer
  // than kTracesForTest.
  double q_value = 1;
};

struct TraceComparison {
  static constexpr uint64_t kTracesForTest = 8;

  uint64_t a_traces = 0;
  uint64_t b_traces = 0;
  // Mean duration of the traces' roots. The nodes' path_nanos add up to it.
  double a_nanos = 0;
  double b_nanos = 0;
  // Callers before what they call, siblings by when they start.
  std::vector<ComparedNode> nodes;
  uint32_t only_a = 0;  // nodes that the other side does not have
  uint32_t only_b = 0;
  // Deeper or more nodes than the options allow: these count as part of their
  // callers.
  bool truncated = false;
  std::string verdict;  // the same in words, in one line
};

struct ComparisonOptions {
  uint32_t max_nodes = 2'000;
  uint32_t max_depth = 100;
};

TraceComparison CompareTraces(const TraceSample& a, const TraceSample& b,
                              const ComparisonOptions& options = {});

// Whole traces as a sample has them.
TraceSample SampleOf(const std::vector<model::SpanBatchPtr>& traces);

}  // namespace khtrace::analysis
