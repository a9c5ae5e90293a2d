// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "api/api_context.h"
#include "base/request_context.h"
#include "model/span_batch.h"
#include "net/http.h"
#include "query/trace_relatives.h"
#include "traceql/ast.h"

// GET /api/v2/traces/{id}?q=…: a trace's spans that fit, and perhaps what is
// around them.

namespace khtrace::api {

struct TraceSpanFilter {
  traceql::FieldExpr condition;
  query::Relatives around;
};

// `q`, `keep_hierarchy`, `ancestor_depth` (with the former alone; else it is
// not looked at) and `match_depth`. Nothing without `q`, whatever the others
// are. kInvalidArgument: `q` is not one filter; a depth below -1, which means
// all.
Result<std::optional<TraceSpanFilter>> ReadTraceFilter(
    const net::QueryParams& query);

// What is left of the trace, the same object if that is all; nullptr: nothing.
Result<model::SpanBatchPtr> Apply(const TraceSpanFilter& filter,
                                  const ApiContext& api,
                                  const RequestContext& context,
                                  const model::SpanBatchPtr& trace);

}  // namespace khtrace::api
