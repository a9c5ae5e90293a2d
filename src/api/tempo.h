// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/api_context.h"
#include "net/http_router.h"
#include "telemetry/health.h"

namespace khtrace::api {

// Tempo's HTTP API as Grafana's Tempo data source calls it: probes and trace
// by id, v1 and v2, in JSON and protobuf. Search, tags and metrics need
// TraceQL and answer 501. `api` and `health` must outlive the router.
void RegisterTempo(net::HttpRouter& router, const ApiContext& api,
                   const telemetry::Health& health);

}  // namespace khtrace::api
