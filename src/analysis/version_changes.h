// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/operation_report.h"
#include "base/executor.h"
#include "base/request_context.h"
#include "base/result.h"
#include "model/ids.h"
#include "storage/trace_store.h"

// Deployments, as spans show them: a service.version that a service did not
// have before.

namespace khtrace::analysis {

struct VersionChange {
  std::string service;
  std::string version;
  UnixNanos first_seen;    // start of its first span
  model::TraceId example;  // with that span
};

struct VersionChanges {
  std::vector<VersionChange> changes;  // newest first
  bool complete = true;                // there are no more than the limit
  uint64_t inspected_spans = 0;
};

// Versions of services that had another one before, by samples: the newest 100
// traces of each twelfth of the window, so that a version that is in few traces
// may be missed. What it costs depends on the twelfths, not on the window; of
// at most 20 versions the first span is searched for.
Result<VersionChanges> FindVersionChanges(storage::TraceReader& reader,
                                          const RequestContext& context,
                                          Window window, Executor* helpers);

}  // namespace khtrace::analysis
