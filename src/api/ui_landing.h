// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "api/api_context.h"
#include "net/http_router.h"

namespace khtrace::api {

// One line of the page's table.
struct LandingEndpoint {
  std::string what;     // "OTLP/gRPC"
  std::string address;  // "127.0.0.1:4317"; "http://…" becomes a link
};

// `/` on the query port while there is no web UI: the services with a link to
// their newest traces, the endpoints, and for an empty store how to send the
// first trace. One page without scripts or outside resources. `api` must
// outlive the router.
void RegisterUiLanding(net::HttpRouter& router, const ApiContext& api,
                       std::vector<LandingEndpoint> endpoints);

}  // namespace khtrace::api
