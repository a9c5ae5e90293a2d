// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "api/api_context.h"
#include "net/http_router.h"
#include "query/explain.h"

namespace khtrace::api {

// GET /api/tracing/traceql/explain: how a TraceQL query runs. Parameters: `q`;
// `window`, `start` and `end` (TracingParams::Window); `limit` of traces (20);
// `analyze`: runs the query and tells what each operator did. Errors are
// problems, of a query with its place.
// `api` must outlive the router.
void RegisterTraceqlExplain(net::HttpRouter& router, const ApiContext& api);

// {"query":…,"logical":NODE,"physical":NODE,"analysis":{…},"text":…}, where
// NODE is {"op":…,"text":…,"counts":{…},"bytes":…,"children":[NODE…]}; what is
// not there is left out.
std::string ExplanationJson(const query::Explanation& explanation);

}  // namespace khtrace::api
