// SPDX-License-Identifier: Apache-2.0
#include "api/tracing.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "api/health.h"
#include "api/tracing_answer.h"
#include "api/tracing_handler.h"
#include "api/tracing_routes.h"
#include "base/text.h"

namespace khtrace::api {
namespace {

using net::HttpRequest;
using net::HttpResponse;

constexpr std::string_view kRoot = "/api/tracing";

// All of them, in the order of docs/api.md.
std::array<std::span<const TracingRoute>, 12> AllRoutes() {
  return {StatusRoutes(),      OverviewRoutes(),     HeatmapRoutes(),
          PerformanceRoutes(), OperationRoutes(),    SearchRoutes(),
          TraceRoutes(),       CriticalPathRoutes(), DependencyRoutes(),
          ErrorRoutes(),       ExplainRoutes(),      CompareRoutes()};
}

// A path that nothing answers, perhaps misspelt.
HttpResponse NoSuchPath(const HttpRequest& request) {
  if (!IsTracingPath(request.path)) {
    return net::TextResponse(404, "404 page not found");
  }
  std::vector<std::string_view> paths;
  for (const auto& routes : AllRoutes()) {
    for (const TracingRoute& route : routes) paths.push_back(route.path);
  }
  std::vector<std::string> similar;
  if (const auto nearest = NearestWord(request.path, paths)) {
    similar.push_back(*nearest);
  }
  return NotFoundProblem(
      fmt::format("there is nothing at {}{} /api/tracing/openapi.json "
                  "describes what there is",
                  SanitizeUtf8(request.path.substr(0, 200)),
                  similar.empty()
                      ? "."
                      : fmt::format("; did you mean {}?", similar.front())),
      similar);
}

HttpResponse WrongMethod(const HttpRequest& request,
                         std::span<const std::string> allowed) {
  if (!IsTracingPath(request.path)) {
    return net::TextResponse(405, "405 method not allowed");
  }
  return MethodProblem(request.method, allowed);
}

}  // namespace

bool IsTracingPath(std::string_view path) {
  return path.starts_with(kRoot) &&
         (path.size() == kRoot.size() || path[kRoot.size()] == '/');
}

HttpResponse TracingProblem(const Error& error) { return ProblemAnswer(error); }

net::HttpRouterOptions TracingRouterOptions() {
  net::HttpRouterOptions options;
  options.not_found = NoSuchPath;
  options.method_not_allowed = WrongMethod;
  return options;
}

Status CheckParams(const TracingCall& call) { return call.params.status(); }

std::string OutsideHint(const TracingCall& call,
                        const analysis::Window& window) {
  const auto stats = call.site.api.reader.Stats(call.context);
  const bool overlap = stats && stats->oldest && stats->newest &&
                       *stats->oldest <= window.end &&
                       *stats->newest >= window.start;
  return overlap ? "" : EmptyHint(call, window, 0);
}

std::string EmptyHint(const TracingCall& call, const analysis::Window& window,
                      uint64_t spans) {
  if (spans > 0) return "";
  const auto stats = call.site.api.reader.Stats(call.context);
  if (!stats || stats->spans == 0 || !stats->newest) {
    return "no span is stored yet: point an OpenTelemetry exporter at port "
           "4318 (OTLP/HTTP) or 4317 (OTLP/gRPC), or run `khtrace demo`";
  }
  return fmt::format(
      "no span began between {} and {}; those stored are from {} to {}: ask "
      "for them with start and end, or with a longer window",
      FormatRfc3339(window.start), FormatRfc3339(window.end),
      FormatRfc3339(stats->oldest.value_or(*stats->newest)),
      FormatRfc3339(*stats->newest));
}

void RegisterTracing(net::HttpRouter& router, const ApiContext& api,
                     analysis::Analyzer& analyzer,
                     const telemetry::Health& health,
                     TracingDeployment deployment) {
  const auto site = std::make_shared<const TracingSite>(
      TracingSite{api, analyzer, health, std::move(deployment), api.clock.Now(),
                  api.clock.Monotonic()});
  RegisterTracingHealth(router, health, api.build);
  for (const auto& routes : AllRoutes()) {
    for (const TracingRoute& route : routes) {
      router.Add(
          route.method, route.path,
          TracingHandlerFor(api, {.parameters = route.parameters},
                            [site, &route](const RequestContext& context,
                                           const HttpRequest& request,
                                           TracingParams& params) {
                              TracingCall call{*site, context, request, params};
                              return route.handler(call);
                            }));
    }
  }
}

}  // namespace khtrace::api
