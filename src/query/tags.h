// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "query/search.h"
#include "storage/trace_store.h"
#include "traceql/ast.h"

namespace khtrace::query {

// Told while values are looked for, by one thread at a time.
struct TagValuesProgress {
  // No more often than this, but once before the first unit.
  std::chrono::nanoseconds every = std::chrono::milliseconds(200);
  // `found`: values that were not told before, sorted; those of all calls are
  // within the request's limits. Says how many of them are told now, the first
  // ones; the others come again.
  std::function<size_t(std::span<const traceql::Static> found,
                       const QueryStats& stats)>
      tell;
};

// Which values does an attribute have, on spans that fit?
struct TagValuesRequest {
  traceql::Attribute attribute;
  // Only spans for which it holds; nullptr: all. Outlives the call.
  const traceql::FieldExpr* filter = nullptr;
  UnixNanos start{0};
  UnixNanos end = UnixNanos::Max();
  size_t limit = 0;  // 0: none
  // Of the values' text; what goes over is left out.
  size_t max_bytes = 1u << 20;
  // Threads that may help; nullptr: none.
  Executor* helpers = nullptr;
  // For perf:category and perf:grade; nullptr: these are refused.
  const SpanJudge* judge = nullptr;
  // nullptr: nobody wants it. Outlives the call.
  const TagValuesProgress* progress = nullptr;
};

struct TagValues {
  // Distinct, sorted; arrays' elements. Without those that were told on the
  // way; where there are more than the limits allow, those count as the first.
  std::vector<traceql::Static> values;
  QueryStats stats;
  bool truncated = false;
};

Result<TagValues> FindTagValues(storage::TraceReader& reader,
                                const RequestContext& context,
                                const TagValuesRequest& request);

}  // namespace khtrace::query
