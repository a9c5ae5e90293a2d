// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "api/api_context.h"
#include "base/request_context.h"
#include "base/result.h"
#include "net/http.h"

namespace khtrace::api {

// Answers one request on the CPU pool; may block on disk.
using Query = std::function<Result<net::HttpResponse>(
    const RequestContext& context, const net::HttpRequest& request)>;

// How a dialect words an error.
using ErrorAnswer = net::HttpResponse (*)(const Error& error);

// 400 for kInvalidArgument and so on; 499 when the client went away.
int HttpStatusOf(Code code);

// Runs `query` on the context's pool with tenant, deadline and the client's
// stop token filled in. Before it runs: 401 `no org id`, 400 for a bad tenant,
// 429 when too many queries wait. `api` must outlive the handler.
net::HttpHandler QueryHandler(const ApiContext& api, ErrorAnswer error_answer,
                              Query query);

// Text and status, for dialects that answer errors in plain text.
net::HttpResponse PlainTextError(const Error& error);

}  // namespace khtrace::api
