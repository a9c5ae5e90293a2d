// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>

#include "base/clock.h"
#include "base/executor.h"
#include "base/request_context.h"
#include "base/result.h"
#include "query/search.h"
#include "storage/attribute_keys.h"
#include "storage/trace_store.h"
#include "traceql/ast.h"

namespace khtrace::query {

// Told while names are looked for, by one thread at a time.
struct TagNamesProgress {
  // No more often than this, but once before the first unit.
  std::chrono::nanoseconds every = std::chrono::milliseconds(200);
  // All that were found so far.
  std::function<void(const storage::AttributeKeys& so_far,
                     const QueryStats& stats)>
      tell;
};

// Which attributes are there, on spans that fit?
struct TagNamesRequest {
  // Spans for which it holds. Outlives the call.
  const traceql::FieldExpr* filter = nullptr;
  // Of traces with any time in [start, end].
  UnixNanos start{0};
  UnixNanos end = UnixNanos::Max();
  // Threads that may help; nullptr: none.
  Executor* helpers = nullptr;
  // For perf:category and perf:grade; nullptr: these are refused.
  const SpanJudge* judge = nullptr;
  // nullptr: nobody wants it. Outlives the call.
  const TagNamesProgress* progress = nullptr;
};

struct TagNames {
  storage::AttributeKeys keys;
  QueryStats stats;
};

// Errors as Search.
Result<TagNames> FindTagNames(storage::TraceReader& reader,
                              const RequestContext& context,
                              const TagNamesRequest& request);

}  // namespace khtrace::query
