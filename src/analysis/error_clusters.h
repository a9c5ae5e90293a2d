// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/error_pattern.h"
#include "analysis/time_shape.h"
#include "base/executor.h"
#include "base/request_context.h"
#include "base/result.h"
#include "storage/trace_store.h"

// Where and when the errors of one pattern gather: by operation, version and
// host against spans of the same operations that do not have the error, and in
// time. From spans that a bounded search finds.

namespace khtrace::analysis {

struct ErrorClusterRequest {
  const ErrorPattern* pattern = nullptr;  // outlives the call
  Window window;                          // no longer than there is data
  size_t max_traces = 2'000;              // of each side, the newest
  Executor* helpers = nullptr;
};

// A value that spans with the error have, or others.
struct ClusterValue {
  // "operation", "service.version", "host.name", "k8s.pod.name".
  std::string dimension;
  std::string service;  // of operations and versions
  std::string value;
  uint64_t errors = 0;  // spans with the error
  uint64_t others = 0;
  double error_share = 0;  // of all spans with the error
  double other_share = 0;
  double effect = 0;  // error_share - other_share
  // How often chance alone would show as much, corrected for all values.
  double q_value = 1;
  // At least 5 spans and 5 points more than others, q < 0.01.
  bool stands_out = false;
};

struct ErrorClusters {
  // TraceQL that found the spans: by operation, type, the message's shape and
  // the own frame, wherever in the stack that is.
  std::string query;
  uint64_t errors = 0;  // spans
  uint64_t others = 0;
  bool complete = true;  // no trace with the error was left out
  Window looked_at;      // shorter than asked for, if it is not complete
  // Of each dimension that spans have at most 10: what stands out first, then
  // most errors.
  std::vector<ClusterValue> values;
  TimePattern time;  // of traces with the error
};

Result<ErrorClusters> ClusterErrors(storage::TraceReader& reader,
                                    const RequestContext& context,
                                    const ErrorClusterRequest& request);

// TraceQL for the spans of a pattern; see ErrorClusters::query.
std::string QueryOfPattern(const ErrorPattern& pattern);

}  // namespace khtrace::analysis
