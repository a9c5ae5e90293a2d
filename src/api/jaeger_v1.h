// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/api_context.h"
#include "net/http_router.h"

namespace khtrace::api {

// Jaeger's HTTP query API v1 as Jaeger UI up to 2.20 and Grafana's Jaeger data
// source call it: services, operations, traces (search and by id), transform,
// dependencies. Archive answers 500 and metrics 501: neither is stored.
// `api` must outlive the router.
void RegisterJaegerV1(net::HttpRouter& router, const ApiContext& api);

}  // namespace khtrace::api
