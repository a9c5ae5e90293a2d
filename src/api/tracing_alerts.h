// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "alerting/engine.h"
#include "api/api_context.h"
#include "net/http_router.h"

namespace khtrace::api {

// Alerts of the request's tenant (docs/alerting.md, "API"); errors are
// application/problem+json (RFC 9457). All arguments outlive the router.
//   GET    /api/tracing/alerts                 rules with their state
//   GET    /api/tracing/alerts/active          what is pending or fires
//   GET    /api/tracing/alerts/history?limit=
//   GET    /api/tracing/alerts/silences
//   POST   /api/tracing/alerts/silences
//   DELETE /api/tracing/alerts/silences/{id}
//   POST   /api/tracing/alerts/{id}/ack
//   POST   /api/tracing/alerts/test            replays a rule over stored data
// `analysis`: the categories that a rule to test may name.
void RegisterTracingAlerts(net::HttpRouter& router, const ApiContext& api,
                           alerting::Engine& engine,
                           const analysis::AnalysisOptions& analysis);

}  // namespace khtrace::api
