// SPDX-License-Identifier: Apache-2.0
#include "pipeline/recent_traces.h"

#include <utility>

namespace khtrace::pipeline {

uint64_t RecentTraces::Observe(const model::SpanBatch& batch) {
  uint64_t fresh = 0;
  model::TraceId last;
  MutexLock lock(mu_);
  for (const model::TraceId& id : batch.spans().trace_id) {
    if (id == last) continue;  // spans of a trace often stand together
    last = id;
    if (!current_.insert(id).second) continue;
    fresh += !previous_.contains(id);
    if (current_.size() >= kTraces) {
      previous_ = std::exchange(current_, {});
    }
  }
  return fresh;
}

}  // namespace khtrace::pipeline
