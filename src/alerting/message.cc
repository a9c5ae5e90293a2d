// SPDX-License-Identifier: Apache-2.0
#include "alerting/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/text.h"
#include "wire/json_writer.h"

namespace khtrace::alerting {
namespace {

using wire::JsonWriter;

// As long as Prometheus repeats that an alert is over: Alertmanager may have
// been away.
constexpr std::chrono::minutes kTellResolvedFor{15};

std::string_view LabelOf(const Alert& alert, std::string_view name) {
  for (const auto& [key, value] : alert.labels) {
    if (key == name) return value;
  }
  return "";
}

// What the value is of.
std::string Measure(const Rule& rule) {
  switch (rule.kind) {
    case RuleKind::kCategory:
      return "p95 ";
    case RuleKind::kObjective:
      return "burn rate ";
    case RuleKind::kQuery:
      return "";
  }
  return "";
}

std::optional<double> ThresholdOf(const Alert& alert, Phase phase) {
  return phase == Phase::kCritical ? alert.last.critical : alert.last.alert;
}

std::string_view Beyond(Comparison compare) {
  return compare == Comparison::kAbove || compare == Comparison::kAtLeast
             ? "above"
             : "below";
}

void Field(JsonWriter& w, std::string_view key, std::string_view value) {
  w.Key(key);
  w.String(value);
}

void Value(JsonWriter& w, std::string_view key,
           const std::optional<double>& value, std::string_view unit) {
  w.Key(key);
  value ? w.Double(*value) : w.Null();
  w.Key(fmt::format("{}_text", key));
  value ? w.String(ValueText(*value, unit)) : w.Null();
}

void Map(JsonWriter& w, std::string_view key, const Labels& labels) {
  w.Key(key);
  w.BeginObject();
  for (const auto& [name, value] : labels) {
    w.EscapedKey(name);
    w.String(value);
  }
  w.EndObject();
}

// Slack's three special characters.
std::string SlackText(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Phrase(const Notice& notice) {
  const Alert& alert = *notice.alert;
  const std::string value =
      alert.last.value ? ValueText(*alert.last.value, alert.last.unit) : "?";
  if (notice.phase == Phase::kOk) {
    return fmt::format("{}{} is back within bounds", Measure(*notice.rule),
                       value);
  }
  const auto threshold = ThresholdOf(alert, notice.phase);
  return fmt::format("{}{} is {} {}", Measure(*notice.rule), value,
                     Beyond(notice.rule->compare),
                     threshold ? ValueText(*threshold, alert.last.unit) : "?");
}

// Prometheus' names: letters, digits, _; no digit first.
std::string PrometheusName(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      (c >= '0' && c <= '9') || c == '_';
    out += fits ? c : '_';
  }
  if (out.empty() || (out[0] >= '0' && out[0] <= '9'))
    out.insert(out.begin(), '_');
  return out;
}

void PrometheusMap(JsonWriter& w, std::string_view key, const Labels& labels) {
  Labels clean;
  for (const auto& [name, value] : labels) {
    if (!value.empty()) clean.emplace_back(PrometheusName(name), value);
  }
  // Two names may have become one: the first counts.
  std::stable_sort(
      clean.begin(), clean.end(),
      [](const auto& a, const auto& b) { return a.first < b.first; });
  clean.erase(std::unique(clean.begin(), clean.end(),
                          [](const auto& a, const auto& b) {
                            return a.first == b.first;
                          }),
              clean.end());
  Map(w, key, clean);
}

void WriteForAlertmanager(JsonWriter& w, const AlertmanagerEntry& entry,
                          Phase phase, UnixNanos ends,
                          std::string_view base_url) {
  const Alert& alert = *entry.alert;
  Notice notice;
  notice.rule = entry.rule;
  notice.alert = &alert;
  notice.phase = phase;
  Labels annotations = entry.rule->annotations;
  annotations.emplace_back("summary", Summary(notice));
  annotations.emplace_back("description", alert.last.reason);
  annotations.emplace_back("recommendation", alert.last.recommendation);
  annotations.emplace_back("trace", TraceUrl(base_url, alert));
  if (alert.last.value) {
    annotations.emplace_back("value",
                             ValueText(*alert.last.value, alert.last.unit));
  }
  if (alert.last.target) {
    annotations.emplace_back("target",
                             ValueText(*alert.last.target, alert.last.unit));
  }
  if (alert.last.count != 0) {
    annotations.emplace_back("count", fmt::format("{}", alert.last.count));
  }
  w.BeginObject();
  PrometheusMap(w, "labels", RuleLabels(*entry.rule, alert, phase));
  PrometheusMap(w, "annotations", annotations);
  Field(w, "startsAt", FormatRfc3339(alert.state.fired_at));
  Field(w, "endsAt", FormatRfc3339(ends));
  if (const std::string url = TraceUrl(base_url, alert); !url.empty()) {
    Field(w, "generatorURL", url);
  }
  w.EndObject();
}

}  // namespace

std::string ValueText(double value, std::string_view unit) {
  if (unit == "s" && std::isfinite(value) && std::abs(value) < 1e9) {
    return FormatDurationShort(
        std::chrono::nanoseconds(std::llround(value * 1e9)));
  }
  return fmt::format("{:.4g}{}", value, unit);
}

std::string Subject(const Alert& alert) {
  const std::string_view operation = LabelOf(alert, "operation");
  const std::string_view service = LabelOf(alert, "service");
  if (!operation.empty()) {
    return service.empty() ? std::string(operation)
                           : fmt::format("{} of {}", operation, service);
  }
  std::string text;
  for (const auto& [name, value] : alert.labels) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", name, value);
  }
  return text;
}

std::string Summary(const Notice& notice) {
  const std::string subject = Subject(*notice.alert);
  return fmt::format(
      "{}: {}: {}{}{}",
      notice.phase == Phase::kOk ? "resolved" : PhaseName(notice.phase),
      notice.alert->rule, subject, subject.empty() ? "" : ": ", Phrase(notice));
}

std::string TraceUrl(std::string_view base_url, const Alert& alert) {
  if (alert.last.example.empty()) return "";
  return fmt::format("{}/trace/{}", base_url, alert.last.example);
}

std::string WebhookJson(const Notice& notice) {
  const Alert& alert = *notice.alert;
  const Measurement& last = alert.last;
  std::string body;
  JsonWriter w(&body);
  w.BeginObject();
  Field(w, "version", "1");
  Field(w, "id", notice.id);
  Field(w, "status", notice.phase == Phase::kOk ? "resolved" : "firing");
  Field(w, "state", PhaseName(notice.phase));
  Field(w, "previous_state", PhaseName(notice.previous));
  Field(w, "summary", Summary(notice));
  Field(w, "rule", alert.rule);
  Field(w, "alert_id", alert.id);
  Field(w, "tenant", alert.tenant);
  Map(w, "labels", RuleLabels(*notice.rule, alert, notice.phase));
  Map(w, "annotations", notice.rule->annotations);
  Value(w, "value", last.value, last.unit);
  Value(w, "target", last.target, last.unit);
  Value(w, "threshold", ThresholdOf(alert, notice.phase), last.unit);
  w.Key("count");
  w.Uint(last.count);
  Field(w, "sent_at", FormatRfc3339(notice.at));
  Field(w, "started_at", FormatRfc3339(alert.state.fired_at));
  w.Key("ended_at");
  notice.phase == Phase::kOk ? w.String(FormatRfc3339(alert.state.resolved_at))
                             : w.Null();
  Field(w, "reason", last.reason);
  Field(w, "recommendation", last.recommendation);
  Field(w, "trace_id", last.example);
  Field(w, "trace_url", TraceUrl(notice.base_url, alert));
  w.EndObject();
  return body;
}

std::string SlackJson(const Notice& notice) {
  const Alert& alert = *notice.alert;
  const std::string summary = SlackText(Summary(notice));
  std::string details;
  const auto line = [&details](std::string_view text) {
    if (!text.empty()) details += fmt::format("{}\n", text);
  };
  if (alert.last.target) {
    line(fmt::format("Target {}, {} calls",
                     ValueText(*alert.last.target, alert.last.unit),
                     alert.last.count));
  }
  line(SlackText(alert.last.reason));
  line(SlackText(alert.last.recommendation));
  if (const std::string url = TraceUrl(notice.base_url, alert); !url.empty()) {
    line(fmt::format("<{}|Slowest trace>", url));
  }
  std::string body;
  JsonWriter w(&body);
  const auto section = [&w](std::string_view text) {
    w.BeginObject();
    Field(w, "type", "section");
    w.Key("text");
    w.BeginObject();
    Field(w, "type", "mrkdwn");
    // Slack refuses more than 3000 characters.
    Field(w, "text", text.substr(0, 2900));
    w.EndObject();
    w.EndObject();
  };
  w.BeginObject();
  Field(w, "text", summary);
  w.Key("blocks");
  w.BeginArray();
  section(fmt::format("*{}*", summary));
  if (!details.empty()) section(details);
  w.EndArray();
  w.EndObject();
  return body;
}

bool ConcernsAlertmanager(const Alert& alert, UnixNanos now) {
  return IsFiring(alert.state.phase) ||
         (alert.state.resolved_at.ns != 0 &&
          now <= alert.state.resolved_at.Plus(kTellResolvedFor));
}

std::string AlertmanagerJson(const std::vector<AlertmanagerEntry>& entries,
                             UnixNanos now, UnixNanos valid_until,
                             std::string_view base_url) {
  std::string body;
  JsonWriter w(&body);
  w.BeginArray();
  for (const AlertmanagerEntry& entry : entries) {
    const AlertState& state = entry.alert->state;
    const auto write = [&](Phase phase, UnixNanos ends) {
      WriteForAlertmanager(w, entry, phase, ends, base_url);
    };
    // With one severity for both they are one alert.
    const bool told_apart =
        entry.rule->alert_severity != entry.rule->critical_severity;
    if (!IsFiring(state.phase)) {
      // One of the two was there; that the other is over does no harm.
      write(Phase::kAlert, state.resolved_at);
      if (told_apart) write(Phase::kCritical, state.resolved_at);
      continue;
    }
    write(state.phase, valid_until);
    // To Alertmanager another severity is another alert: critical takes the
    // place of alert, and the other way round.
    if (told_apart && state.since > state.fired_at &&
        now <= state.since.Plus(kTellResolvedFor)) {
      write(state.phase == Phase::kCritical ? Phase::kAlert : Phase::kCritical,
            state.since);
    }
  }
  w.EndArray();
  return body;
}

}  // namespace khtrace::alerting
