// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "query/search.h"
#include "storage/trace_store.h"
#include "traceql/ast.h"

namespace khtrace::query {

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
};

struct TagValues {
  std::vector<traceql::Static> values;  // distinct, sorted; arrays' elements
  QueryStats stats;
  bool truncated = false;
};

Result<TagValues> FindTagValues(storage::TraceReader& reader,
                                const RequestContext& context,
                                const TagValuesRequest& request);

}  // namespace khtrace::query
