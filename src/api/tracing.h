// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/analyzer.h"
#include "api/api_context.h"
#include "base/result.h"
#include "net/http_router.h"
#include "telemetry/health.h"

// /api/tracing: what is slow, why, and what to do first. docs/api.md and
// tracing_openapi.json describe every endpoint.

namespace khtrace::alerting {
class Engine;
}

namespace khtrace::api {

// A door spans come in by, and what became of them since the start.
struct ReceiverFigures {
  std::string name;       // "otlp"
  std::string transport;  // "grpc"
  uint64_t received = 0;  // spans
  uint64_t refused = 0;   // told to come again
  uint64_t dropped = 0;   // malformed, never stored
};

// What the program tells of itself beyond the store.
struct ServerFigures {
  std::vector<ReceiverFigures> receivers;
  uint64_t exported = 0;         // spans stored
  uint64_t export_failures = 0;  // spans that the store refused
};

struct TracingDeployment {
  struct Endpoint {
    std::string name;     // "otlp/grpc"
    std::string address;  // "127.0.0.1:4317"
  };
  std::vector<Endpoint> endpoints;
  std::string storage_engine;  // "columnar"
  std::string config_hash;     // equal where servers are configured alike
  // Spans older than that go; nothing: they stay. Bytes likewise.
  std::optional<std::chrono::nanoseconds> retention_age;
  std::optional<uint64_t> retention_bytes;
  // Of the moment; called by several threads.
  std::function<ServerFigures()> figures;
  // May be nullptr: then there are no alerts. Outlives the router.
  const alerting::Engine* alerting = nullptr;
};

// For the router that RegisterTracing fills: 404 and 405 below /api/tracing
// are problem bodies there.
net::HttpRouterOptions TracingRouterOptions();

// True of paths whose errors are problem bodies.
bool IsTracingPath(std::string_view path);
// For errors that are found before a request comes here.
net::HttpResponse TracingProblem(const Error& error);

// Everything borrowed outlives the router and every request in flight.
void RegisterTracing(net::HttpRouter& router, const ApiContext& api,
                     analysis::Analyzer& analyzer,
                     const telemetry::Health& health,
                     TracingDeployment deployment);

}  // namespace khtrace::api
