// SPDX-License-Identifier: Apache-2.0
#include "api/health.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "wire/json_writer.h"

namespace khtrace::api {
namespace {

using net::HttpRequest;
using net::HttpRespond;
using net::HttpResponse;
using telemetry::ComponentHealth;
using wire::JsonWriter;

// What telemetry::Health says of a component that was never ready.
constexpr std::string_view kStartingReason = "starting";

void Field(JsonWriter& w, std::string_view key, std::string_view value) {
  w.Key(key);
  w.String(value);
}

struct UpTime {
  UnixNanos since;
  std::chrono::nanoseconds since_monotonic;
};

std::string ServerStatusJson(const UpTime& up, const Clock& clock, bool ok) {
  std::string body;
  JsonWriter w(&body);
  w.BeginObject();
  Field(w, "status", ok ? "Server available" : "Server not available");
  Field(w, "upSince", ok ? FormatRfc3339(up.since) : "0001-01-01T00:00:00Z");
  Field(w, "uptime",
        ok ? FormatGoDuration(clock.Monotonic() - up.since_monotonic) : "");
  w.EndObject();
  return body;
}

// Names and HTTP codes of the Collector's component status.
enum class State { kOk, kStarting, kFailed };

State StateOf(const ComponentHealth& component) {
  if (component.ok) return State::kOk;
  return component.reason == kStartingReason ? State::kStarting
                                             : State::kFailed;
}

void WriteStatus(State state, UnixNanos now, JsonWriter& w) {
  static constexpr std::string_view kNames[] = {"StatusOK", "StatusStarting",
                                                "StatusPermanentError"};
  w.Key("healthy");
  w.Bool(state == State::kOk);
  Field(w, "status", kNames[static_cast<int>(state)]);
  Field(w, "status_time", FormatRfc3339(now));
}

HttpResponse ComponentStatus(const std::vector<ComponentHealth>& components,
                             UnixNanos since, UnixNanos now) {
  // Nobody spoke up yet: starting.
  State worst = components.empty() ? State::kStarting : State::kOk;
  for (const ComponentHealth& component : components) {
    worst = std::max(worst, StateOf(component));
  }
  std::string body;
  JsonWriter w(&body);
  w.BeginObject();
  Field(w, "start_time", FormatRfc3339(since));
  WriteStatus(worst, now, w);
  w.Key("components");
  w.BeginObject();
  for (const ComponentHealth& component : components) {
    w.EscapedKey(component.component);
    w.BeginObject();
    WriteStatus(StateOf(component), now, w);
    if (!component.ok) Field(w, "error", component.reason);
    w.EndObject();
  }
  w.EndObject();
  w.EndObject();
  static constexpr int kCodes[] = {200, 503, 500};
  return net::JsonResponse(kCodes[static_cast<int>(worst)], std::move(body));
}

HttpResponse TracingHealth(const std::vector<ComponentHealth>& components,
                           bool ok, std::string_view version) {
  std::string body;
  JsonWriter w(&body);
  w.BeginObject();
  Field(w, "status", ok ? "ok" : "failing");
  Field(w, "version", version);
  w.Key("components");
  w.BeginArray();
  for (const ComponentHealth& component : components) {
    w.BeginObject();
    Field(w, "name", component.component);
    w.Key("ok");
    w.Bool(component.ok);
    Field(w, "reason", component.reason);
    w.EndObject();
  }
  w.EndArray();
  w.EndObject();
  return net::JsonResponse(ok ? 200 : 503, std::move(body));
}

}  // namespace

void RegisterCollectorHealth(net::HttpRouter& router,
                             const telemetry::Health& health,
                             const Clock& clock) {
  const UpTime up{clock.Now(), clock.Monotonic()};
  router.Add(
      "GET", "/", [&health, &clock, up](HttpRequest, HttpRespond respond) {
        const bool ok = health.AllOk();
        respond(
            net::JsonResponse(ok ? 200 : 503, ServerStatusJson(up, clock, ok)));
      });
  router.Add(
      "GET", "/status",
      [&health, &clock, up](HttpRequest, HttpRespond respond) {
        respond(ComponentStatus(health.Snapshot(), up.since, clock.Now()));
      });
}

void RegisterGrafanaHealth(net::HttpRouter& router,
                           const telemetry::Health& health,
                           const BuildInfo& build) {
  router.Add("GET", "/api/health",
             [&health, &build](HttpRequest, HttpRespond respond) {
               const bool ok = health.AllOk();
               std::string body;
               JsonWriter w(&body);
               w.BeginObject();
               Field(w, "database", ok ? "ok" : "failing");
               Field(w, "version", build.version);
               Field(w, "commit", build.revision);
               w.EndObject();
               respond(net::JsonResponse(ok ? 200 : 503, std::move(body)));
             });
}

void RegisterTracingHealth(net::HttpRouter& router,
                           const telemetry::Health& health,
                           const BuildInfo& build) {
  router.Add("GET", "/api/tracing/health",
             [&health, &build](HttpRequest, HttpRespond respond) {
               respond(TracingHealth(health.Snapshot(), health.AllOk(),
                                     build.version));
             });
}

}  // namespace khtrace::api
