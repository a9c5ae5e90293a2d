// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/ids.h"
#include "model/span_batch.h"

namespace khtrace::query {

struct ServiceCount {
  std::string name;  // "" for spans without service.name
  uint32_t span_count = 0;
  uint32_t error_count = 0;
};

// One line about a trace, for result lists.
struct TraceSummary {
  model::TraceId trace_id;
  std::string root_service;
  std::string root_name;
  UnixNanos start;  // earliest
  UnixNanos end;    // latest; never before start
  uint32_t span_count = 0;
  uint32_t error_count = 0;   // status ERROR
  uint32_t orphan_count = 0;  // the parent they name is not in the trace
  std::vector<ServiceCount> services;  // sorted by name
};

// `trace` holds the spans of one trace, at least one. The root is the earliest
// span without a parent; without such a span (its trace is incomplete) the
// earliest orphan; in a trace of cycles alone, the earliest span.
TraceSummary Summarize(const model::SpanBatch& trace);

}  // namespace khtrace::query
