// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "alerting/alert_state.h"
#include "alerting/measurement.h"
#include "base/request_context.h"

// When a rule would have fired: the same steps as live, over stored data.

namespace khtrace::alerting {

struct ReplayRequest {
  Rule rule;
  UnixNanos start;
  UnixNanos end;
  // Between evaluations. 0: a 240th of the range, 30 s at least, and five
  // minutes for a category: its aggregates are no finer.
  std::chrono::nanoseconds step{};
};

struct Firing {
  Labels labels;
  Phase worst = Phase::kAlert;
  UnixNanos start;
  std::optional<UnixNanos> end;  // nullopt: still firing at the end
  Measurement peak;              // the worst measurement meanwhile
};

struct ReplayPoint {
  UnixNanos at;
  double value = 0;  // the worst of all instances
};

struct ReplayResult {
  std::chrono::nanoseconds step{};
  size_t evaluations = 0;
  size_t instances = 0;
  std::vector<Firing> firings;      // by start
  std::vector<ReplayPoint> points;  // moments with a value
};

// kInvalidArgument: end not after start, or more than 2000 steps. Otherwise
// errors of MeasureSource, kDeadlineExceeded above all.
Result<ReplayResult> Replay(MeasureSource& source,
                            const RequestContext& context,
                            const ReplayRequest& request);

}  // namespace khtrace::alerting
