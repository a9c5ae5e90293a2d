// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "api/api_context.h"
#include "api/tracing_params.h"
#include "base/request_context.h"
#include "base/result.h"
#include "net/http.h"

// What every endpoint below /api/tracing has in common: how its parameters come
// in, and how what is wrong with them goes out.

namespace khtrace::api {

// Names that a request may give. Both outlive the handler.
struct TracingInput {
  std::span<const std::string_view> parameters = {};
  // Of a JSON body that the query reads itself. Without any, the members of
  // the body of a POST are parameters.
  std::span<const std::string_view> fields = {};
};

// Answers one request, on the CPU pool. Unknown parameters have been refused.
using TracingQuery = std::function<Result<net::HttpResponse>(
    const RequestContext& context, const net::HttpRequest& request,
    TracingParams& params)>;

// Runs `query` and makes a problem body (RFC 9457) of its error. The problem
// names the parameter at fault: params.bad(), or the one whose name the message
// of a kInvalidArgument begins with, as in "limit: '0' is …" and
// "objective.goal: …". `api` outlives the handler.
net::HttpHandler TracingHandlerFor(const ApiContext& api, TracingInput input,
                                   TracingQuery query);

}  // namespace khtrace::api
