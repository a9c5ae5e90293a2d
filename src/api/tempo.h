// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/api_context.h"
#include "net/http_router.h"
#include "telemetry/health.h"

namespace khtrace::api {

// Tempo's HTTP API as Grafana's Tempo data source calls it, in JSON and
// protobuf: probes, traces by id and what differs between them, searches, tags
// and metrics. `api` and `health` must outlive the router.
void RegisterTempo(net::HttpRouter& router, const ApiContext& api,
                   const telemetry::Health& health);

}  // namespace khtrace::api
