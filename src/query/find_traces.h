// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "base/executor.h"
#include "base/request_context.h"
#include "base/result.h"
#include "model/ids.h"
#include "model/span_batch.h"
#include "query/search.h"
#include "query/span_conditions.h"
#include "storage/trace_store.h"

namespace khtrace::query {

// The whole trace. `hint` makes it faster when it is right and never makes an
// existing trace vanish, however wrong it is. kNotFound if there is none.
Result<model::SpanBatchPtr> GetTrace(storage::TraceReader& reader,
                                     const RequestContext& context,
                                     const model::TraceId& id,
                                     const storage::TimeHint& hint = {});

// Which traces? Those in which one span meets all conditions.
struct FindRequest {
  SpanConditions spans;
  size_t limit = 20;  // traces
  // Threads that may help; nullptr: none.
  Executor* helpers = nullptr;
};

// The newest ones, one span told of each. Errors as Search.
Result<SearchResult> FindTraces(storage::TraceReader& reader,
                                const RequestContext& context,
                                const FindRequest& request);

// Finds traces and hands them over one after the other, newest first, so that
// only one is in memory on our account. `visit` returns false to stop. A trace
// that retention took away meanwhile is left out.
Status VisitTraces(
    storage::TraceReader& reader, const RequestContext& context,
    const FindRequest& request,
    const std::function<bool(const model::SpanBatchPtr&)>& visit);

struct FetchedTraces {
  std::vector<model::SpanBatchPtr> traces;  // newest first
  // The answer ends early, because the next trace would have gone over
  // `max_bytes`.
  bool truncated = false;
};

// The traces themselves, as long as they fit into `max_bytes` of memory (the
// first one always does). Larger: fuller answers, more memory a query.
Result<FetchedTraces> FetchTraces(storage::TraceReader& reader,
                                  const RequestContext& context,
                                  const FindRequest& request, size_t max_bytes);

struct TracesById {
  std::vector<model::SpanBatchPtr> traces;  // in the order asked for
  std::vector<model::TraceId> missing;
  bool truncated = false;
};

// The same for known ids; an id asked for twice is answered once.
Result<TracesById> FetchTracesById(storage::TraceReader& reader,
                                   const RequestContext& context,
                                   std::span<const model::TraceId> ids,
                                   const storage::TimeHint& hint,
                                   size_t max_bytes);

}  // namespace khtrace::query
