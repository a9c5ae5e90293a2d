// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "analysis/analyzer.h"
#include "api/api_context.h"
#include "api/tracing.h"
#include "api/tracing_params.h"
#include "base/clock.h"
#include "base/request_context.h"
#include "net/http.h"
#include "net/http_router.h"

// What the endpoints of /api/tracing are made of; each file of them adds its
// own to the table in tracing.cc.

namespace khtrace::api {

// Immutable; what it borrows is thread-safe.
struct TracingSite {
  const ApiContext& api;
  analysis::Analyzer& analyzer;
  const telemetry::Health& health;
  TracingDeployment deployment;
  UnixNanos started;
  std::chrono::nanoseconds started_monotonic{};
};

// One request that has passed the checks which all have in common.
struct TracingCall {
  const TracingSite& site;
  const RequestContext& context;
  const net::HttpRequest& request;
  TracingParams& params;
};

// A handler reads its parameters first and then returns CheckParams(call)
// if one was refused. Errors are answered as problems.
using TracingHandler = Result<net::HttpResponse> (*)(TracingCall& call);

struct TracingRoute {
  std::string_view method;
  std::string_view path;
  std::span<const std::string_view> parameters;
  TracingHandler handler;
};

std::span<const TracingRoute> StatusRoutes();
std::span<const TracingRoute> PerformanceRoutes();
std::span<const TracingRoute> OperationRoutes();
std::span<const TracingRoute> SearchRoutes();
std::span<const TracingRoute> TraceRoutes();
std::span<const TracingRoute> CriticalPathRoutes();
std::span<const TracingRoute> DependencyRoutes();
std::span<const TracingRoute> ErrorRoutes();
std::span<const TracingRoute> ExplainRoutes();
std::span<const TracingRoute> CompareRoutes();
std::span<const TracingRoute> OverviewRoutes();
std::span<const TracingRoute> HeatmapRoutes();

// kInvalidArgument if a parameter was refused; the answer then names it.
Status CheckParams(const TracingCall& call);

// Why there is nothing to tell of a window, and what to do. "" if there are
// spans in it.
std::string EmptyHint(const TracingCall& call, const analysis::Window& window,
                      uint64_t spans);
// The same where nobody counted: "" also if there may be spans in the window.
std::string OutsideHint(const TracingCall& call,
                        const analysis::Window& window);

}  // namespace khtrace::api
