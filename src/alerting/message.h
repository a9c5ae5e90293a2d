// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "alerting/engine_state.h"
#include "base/clock.h"

// What receivers are told. Pure functions.

namespace khtrace::alerting {

struct Notice {
  const Rule* rule = nullptr;
  const Alert* alert = nullptr;
  Phase phase = Phase::kOk;     // kOk: it is over
  Phase previous = Phase::kOk;  // what was told before
  std::string id;               // of the message
  UnixNanos at;
  std::string base_url;  // "http://127.0.0.1:16686"
};

// "212 ms", "3.5": a value as people read it.
std::string ValueText(double value, std::string_view unit);
// Whom an alert is about: "GET /cart of shop"; the labels if it is neither.
std::string Subject(const Alert& alert);
// One line: "critical: api-target: GET /cart of shop: p95 2.1 s is above 2 s".
std::string Summary(const Notice& notice);
// "" without an example.
std::string TraceUrl(std::string_view base_url, const Alert& alert);

// Our own shape: docs/alerting.md, "Webhook".
std::string WebhookJson(const Notice& notice);
// https://api.slack.com/messaging/webhooks
std::string SlackJson(const Notice& notice);

// The body of POST /api/v2/alerts: all that fires, and what ended a short
// while ago.
// Firing ones end by themselves at `valid_until` unless they are sent again.
// https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
struct AlertmanagerEntry {
  const Rule* rule = nullptr;
  const Alert* alert = nullptr;
};
std::string AlertmanagerJson(const std::vector<AlertmanagerEntry>& entries,
                             UnixNanos now, UnixNanos valid_until,
                             std::string_view base_url);
// Whether it belongs there.
bool ConcernsAlertmanager(const Alert& alert, UnixNanos now);

}  // namespace khtrace::alerting
