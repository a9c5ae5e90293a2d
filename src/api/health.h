// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/api_context.h"
#include "net/http_router.h"
#include "telemetry/health.h"

// The health endpoints of the programs that we stand in for. All read the one
// telemetry::Health; what they are given must outlive the router.

namespace khtrace::api {

// The Collector's health_check extension: `/`, 200 or 503, and its v2 form
// under `/status`: 200, 503 while starting, 500 when a component failed.
// Up since the moment of this call.
void RegisterCollectorHealth(net::HttpRouter& router,
                             const telemetry::Health& health,
                             const Clock& clock);

// Grafana's `/api/health`: {"database":"ok","version":…,"commit":…}.
void RegisterGrafanaHealth(net::HttpRouter& router,
                           const telemetry::Health& health,
                           const BuildInfo& build);

// Our own `/api/tracing/health`: each component and why it does not work.
// {"status":"ok"|"failing","version":…,"components":[{"name","ok","reason"}]},
// 200 or 503.
void RegisterTracingHealth(net::HttpRouter& router,
                           const telemetry::Health& health,
                           const BuildInfo& build);

}  // namespace khtrace::api
