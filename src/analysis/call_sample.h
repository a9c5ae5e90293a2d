// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/bottleneck.h"
#include "analysis/linked_trace.h"
#include "model/span_batch.h"

namespace khtrace::analysis {

// A span of the operation that is looked at, in one of the example traces.
struct Call {
  const LinkedTrace* trace = nullptr;
  uint32_t i = 0;

  uint64_t duration() const { return trace->duration(i); }
};

// The calls of an operation in some whole traces. Confined to one thread.
class CallSample {
 public:
  // At most 10 calls of each trace, so that no trace outvotes the others. The
  // batches outlive the sample.
  CallSample(std::string_view service, std::string_view operation,
             std::span<const model::SpanBatchPtr> traces);

  std::span<const Call> calls() const { return calls_; }

 private:
  std::deque<LinkedTrace> traces_;  // calls point at them
  std::vector<Call> calls_;
};

// Nanoseconds during which one of `spans` (positions in `trace`) ran, cut to
// the time of `within`.
uint64_t CoveredNanos(const LinkedTrace& trace, std::vector<uint32_t> spans,
                      uint32_t within);

// Where the calls' time goes by operation of their direct children, greatest
// first; *self_share is what none of them took.
std::vector<ChildShare> SharesOfChildren(const CallSample& sample,
                                         double* self_share);

}  // namespace khtrace::analysis
