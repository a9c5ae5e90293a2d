// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/api_context.h"
#include "net/http_router.h"

namespace khtrace::api {

// Jaeger's HTTP query API v3 (jaeger-idl, api_v3/query_service.proto, and the
// trace-summaries that Jaeger UI 2.19 searches by). Traces are OTLP JSON; the
// camelCase parameters and their older snake_case spellings are taken.
// `rawTraces` changes nothing, since nothing is adjusted in this form.
// Lists are [] when empty and never left out: the UI depends on it.
// `api` must outlive the router.
void RegisterJaegerV3(net::HttpRouter& router, const ApiContext& api);

}  // namespace khtrace::api
