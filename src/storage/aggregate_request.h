// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "aggregate/partial.h"
#include "base/clock.h"
#include "base/result.h"

namespace khtrace::storage {

// Which aggregates? Those of whole buckets of time (aggregate/partial_rows.h)
// that [start, end] touches: 5 minutes wide, those of critical paths 15.
struct AggregateRequest {
  UnixNanos start{0};
  UnixNanos end = UnixNanos::Max();
  uint32_t kinds = aggregate::kAllKinds;
  // Brings buckets together: aggregate::MergeOptions::step_minutes.
  uint32_t step_minutes = 1;

  aggregate::MergeOptions MergeOptions() const {
    const auto minute = [](UnixNanos time) {
      return static_cast<uint32_t>(time.ns / aggregate::kNanosPerMinute);
    };
    return {kinds, minute(start), minute(end), step_minutes, false};
  }
};

// kInvalidArgument: what a backend cannot mean to answer.
inline Status Validate(const AggregateRequest& request) {
  if (request.step_minutes > 0) return {};
  return Error{Code::kInvalidArgument,
               "cannot aggregate in steps of 0 minutes"};
}

}  // namespace khtrace::storage
