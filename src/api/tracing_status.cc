// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "api/tracing_answer.h"
#include "api/tracing_openapi.h"
#include "api/tracing_routes.h"

// GET /api/tracing/status and /api/tracing/openapi.json

namespace khtrace::api {
namespace {

using net::HttpResponse;
using wire::JsonWriter;

void PutServer(JsonWriter& w, const TracingSite& site) {
  const std::chrono::duration<double> up =
      site.api.clock.Monotonic() - site.started_monotonic;
  PutText(w, "version", site.api.build.version);
  PutText(w, "revision", site.api.build.revision);
  PutTime(w, "started_at", site.started);
  PutFigure(w, "uptime_seconds", up.count());
  PutFlag(w, "multitenancy", site.api.options.multitenancy);
  PutText(w, "config_hash", site.deployment.config_hash);
}

// "status" and "components".
void PutHealth(JsonWriter& w, const TracingSite& site) {
  PutText(w, "status", site.health.AllOk() ? "ok" : "failing");
  w.Key("components");
  w.BeginArray();
  for (const auto& component : site.health.Snapshot()) {
    w.BeginObject();
    PutText(w, "name", component.component);
    PutFlag(w, "ok", component.ok);
    PutText(w, "reason", component.reason);
    w.EndObject();
  }
  w.EndArray();
}

void PutDoors(JsonWriter& w, const TracingDeployment& deployment,
              const ServerFigures& figures) {
  w.Key("endpoints");
  w.BeginArray();
  for (const auto& endpoint : deployment.endpoints) {
    w.BeginObject();
    PutText(w, "name", endpoint.name);
    PutText(w, "address", endpoint.address);
    w.EndObject();
  }
  w.EndArray();
  w.Key("receivers");
  w.BeginArray();
  for (const ReceiverFigures& receiver : figures.receivers) {
    w.BeginObject();
    PutText(w, "name", receiver.name);
    PutText(w, "transport", receiver.transport);
    PutCount(w, "spans_received", receiver.received);
    PutCount(w, "spans_refused", receiver.refused);
    PutCount(w, "spans_dropped", receiver.dropped);
    w.EndObject();
  }
  w.EndArray();
  w.Key("exporters");
  w.BeginArray();
  w.BeginObject();
  PutText(w, "name", "khtrace_store");
  PutCount(w, "spans_sent", figures.exported);
  PutCount(w, "spans_failed", figures.export_failures);
  w.EndObject();
  w.EndArray();
}

void PutStorage(JsonWriter& w, const TracingDeployment& deployment,
                const storage::StoreStats& stats) {
  const auto time = [&w](std::string_view key,
                         const std::optional<UnixNanos>& at) {
    if (at) return PutTime(w, key, *at);
    PutNull(w, key);
  };
  w.Key("storage");
  w.BeginObject();
  PutText(w, "engine", deployment.storage_engine);
  PutCount(w, "spans", stats.spans);
  PutCount(w, "disk_bytes", stats.disk_bytes);
  PutCount(w, "wal_bytes", stats.wal_bytes);
  PutCount(w, "head_spans", stats.head_spans);
  PutCount(w, "head_bytes", stats.head_bytes);
  PutCount(w, "parts", stats.parts);
  time("oldest", stats.oldest);
  time("newest", stats.newest);
  w.Key("retention");
  w.BeginObject();
  if (deployment.retention_age) {
    PutFigure(w, "max_age_hours",
              std::chrono::duration<double, std::ratio<3600>>(
                  *deployment.retention_age)
                  .count());
  } else {
    PutNull(w, "max_age_hours");
  }
  if (deployment.retention_bytes) {
    PutCount(w, "max_bytes", *deployment.retention_bytes);
  } else {
    PutNull(w, "max_bytes");
  }
  w.EndObject();
  w.EndObject();
}

void PutAnalysis(JsonWriter& w, const analysis::AnalysisOptions& options) {
  w.Key("analysis");
  w.BeginObject();
  PutCount(w, "min_samples", options.min_samples);
  PutFigure(w, "error_rate_for_c", options.error_rate_for_c);
  PutFigure(w, "error_rate_for_f", options.error_rate_for_f);
  w.Key("categories");
  w.BeginArray();
  for (const analysis::Category& category : options.categories) {
    w.BeginObject();
    PutText(w, "category", category.name);
    PutMillis(w, "target_ms",
              static_cast<double>(category.targets.target.count()));
    PutMillis(w, "alert_ms",
              static_cast<double>(category.targets.alert.count()));
    PutMillis(w, "critical_ms",
              static_cast<double>(category.targets.critical.count()));
    w.EndObject();
  }
  w.EndArray();
  w.EndObject();
}

Result<HttpResponse> Show(TracingCall& call) {
  RETURN_IF_ERROR(CheckParams(call));
  const TracingSite& site = call.site;
  ASSIGN_OR_RETURN(const storage::StoreStats stats,
                   site.api.reader.Stats(call.context));
  ASSIGN_OR_RETURN(const auto services, site.api.reader.Services(call.context));
  const ServerFigures figures =
      site.deployment.figures ? site.deployment.figures() : ServerFigures();
  HttpResponse response = net::JsonResponse(200, "");
  response.headers.Set("Cache-Control", "no-store");
  JsonWriter w(&response.body);
  w.BeginObject();
  PutTime(w, "generated_at", call.params.now());
  PutHealth(w, site);
  PutServer(w, site);
  PutCount(w, "services", services.size());
  PutDoors(w, site.deployment, figures);
  PutStorage(w, site.deployment, stats);
  PutAnalysis(w, site.analyzer.options());
  if (stats.spans == 0) {
    PutText(w, "hint", EmptyHint(call, {{0}, call.params.now()}, 0));
  }
  w.EndObject();
  return response;
}

Result<HttpResponse> OpenApi(TracingCall& call) {
  RETURN_IF_ERROR(CheckParams(call));
  return TracingText(call.request, "application/json",
                     std::string(TracingOpenApi()));
}

constexpr TracingRoute kRoutes[] = {
    {"GET", "/api/tracing/status", {}, Show},
    {"GET", "/api/tracing/openapi.json", {}, OpenApi}};

}  // namespace

std::span<const TracingRoute> StatusRoutes() { return kRoutes; }

}  // namespace khtrace::api
