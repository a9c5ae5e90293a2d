// SPDX-License-Identifier: Apache-2.0
#include "api/tracing_alerts_json.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>

#include "alerting/message.h"
#include "base/text.h"

namespace khtrace::api {
namespace {

using alerting::Alert;
using alerting::Labels;
using alerting::Rule;
using alerting::RuleKind;
using wire::JsonWriter;

void Field(JsonWriter& w, std::string_view key, std::string_view value) {
  w.Key(key);
  w.String(value);
}

void Time(JsonWriter& w, std::string_view key, UnixNanos time) {
  w.Key(key);
  time.ns == 0 ? w.Null() : w.String(FormatRfc3339(time));
}

void Number(JsonWriter& w, std::string_view key,
            const std::optional<double>& value) {
  w.Key(key);
  value ? w.Double(*value) : w.Null();
}

void Value(JsonWriter& w, std::string_view key,
           const std::optional<double>& value, std::string_view unit) {
  Number(w, key, value);
  w.Key(fmt::format("{}_text", key));
  value ? w.String(alerting::ValueText(*value, unit)) : w.Null();
}

void Duration(JsonWriter& w, std::string_view key,
              std::chrono::nanoseconds duration) {
  Field(w, key, FormatGoDuration(duration));
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

std::string_view KindName(RuleKind kind) {
  constexpr std::string_view kNames[] = {"category", "query", "objective"};
  return kNames[static_cast<size_t>(kind)];
}

void WriteWhat(const Rule& rule, JsonWriter& w) {
  Field(w, "kind", KindName(rule.kind));
  if (rule.kind == RuleKind::kCategory) Field(w, "category", rule.category);
  if (rule.kind == RuleKind::kQuery) {
    constexpr std::string_view kCompare[] = {"above", "at_least", "below",
                                             "at_most"};
    Field(w, "query", rule.query);
    Field(w, "compare", kCompare[static_cast<size_t>(rule.compare)]);
    Number(w, "alert", rule.alert);
    Number(w, "critical", rule.critical);
  }
  if (rule.kind == RuleKind::kObjective) {
    w.Key("objective");
    w.BeginObject();
    Field(w, "select", rule.objective.select);
    Duration(w, "threshold", rule.objective.threshold);
    w.Key("goal");
    w.Double(rule.objective.goal);
    Duration(w, "period", rule.objective.period);
    w.EndObject();
  }
}

void WriteRule(const Rule& rule, JsonWriter& w) {
  Field(w, "name", rule.name);
  WriteWhat(rule, w);
  Duration(w, "window", rule.window);
  Duration(w, "for", rule.hold);
  w.Key("resolve_below");
  w.Double(rule.resolve_below);
  Duration(w, "keep_firing_for", rule.keep_firing);
  w.Key("min_samples");
  w.Uint(rule.min_samples);
  Map(w, "labels", rule.labels);
  Map(w, "annotations", rule.annotations);
  w.Key("receivers");
  w.BeginArray();
  for (const std::string& name : rule.receivers) w.String(name);
  w.EndArray();
  w.Key("enabled");
  w.Bool(rule.enabled);
}

void WriteStatus(const alerting::RuleStatus& status, std::string_view base_url,
                 JsonWriter& w) {
  w.BeginObject();
  WriteRule(status.rule, w);
  Field(w, "state", alerting::PhaseName(status.phase));
  Field(w, "health", status.error.empty() ? "ok" : "failing");
  Field(w, "error", status.error);
  Time(w, "evaluated_at", status.evaluated_at);
  w.Key("evaluation_ms");
  w.Double(std::chrono::duration<double, std::milli>(status.took).count());
  w.Key("alerts");
  w.BeginArray();
  for (const Alert& alert : status.alerts) WriteAlert(alert, base_url, &w);
  w.EndArray();
  w.EndObject();
}

void WriteFields(const Alert& alert, std::string_view base_url, JsonWriter& w) {
  const alerting::Measurement& last = alert.last;
  Field(w, "id", alert.id);
  Field(w, "rule", alert.rule);
  Field(w, "state", alerting::PhaseName(alert.state.phase));
  Time(w, "since", alert.state.since);
  Time(w, "fired_at", alert.state.fired_at);
  Time(w, "resolved_at", alert.state.resolved_at);
  Time(w, "evaluated_at", alert.state.evaluated_at);
  Field(w, "no_data", alert.state.no_data);
  Field(w, "subject", alerting::Subject(alert));
  Value(w, "value", last.value, last.unit);
  Field(w, "unit", last.unit);
  Value(w, "target", last.target, last.unit);
  Value(w, "alert", last.alert, last.unit);
  Value(w, "critical", last.critical, last.unit);
  w.Key("count");
  w.Uint(last.count);
  Field(w, "reason", last.reason);
  Field(w, "recommendation", last.recommendation);
  Field(w, "trace_id", last.example);
  Field(w, "trace_url", alerting::TraceUrl(base_url, alert));
  w.Key("acknowledged");
  if (!alert.acknowledged) return w.Null();
  w.BeginObject();
  Field(w, "by", alert.acknowledged_by);
  Field(w, "comment", alert.comment);
  Time(w, "at", alert.acknowledged_at);
  w.EndObject();
}

}  // namespace

void WriteAlert(const Alert& alert, std::string_view base_url, JsonWriter* w) {
  w->BeginObject();
  Map(*w, "labels", alert.labels);
  WriteFields(alert, base_url, *w);
  w->EndObject();
}

void WriteActiveAlert(const alerting::ActiveAlert& active,
                      std::string_view base_url, JsonWriter* w) {
  w->BeginObject();
  Map(*w, "labels", active.labels);
  WriteFields(active.alert, base_url, *w);
  w->Key("silenced_by");
  active.silenced_by.empty() ? w->Null() : w->String(active.silenced_by);
  w->EndObject();
}

void WriteEvent(const alerting::Event& event, std::string_view base_url,
                JsonWriter* w) {
  w->BeginObject();
  Time(*w, "at", event.at);
  Field(*w, "alert_id", event.alert_id);
  Field(*w, "rule", event.rule);
  Map(*w, "labels", event.labels);
  Field(*w, "from", alerting::PhaseName(event.from));
  Field(*w, "to", alerting::PhaseName(event.to));
  Value(*w, "value", event.value, event.unit);
  Field(*w, "unit", event.unit);
  w->Key("count");
  w->Uint(event.count);
  Field(*w, "reason", event.reason);
  Field(*w, "trace_id", event.example);
  Field(*w, "trace_url",
        event.example.empty()
            ? std::string()
            : fmt::format("{}/trace/{}", base_url, event.example));
  w->EndObject();
}

void WriteSilence(const alerting::Silence& silence, JsonWriter* w) {
  w->BeginObject();
  Field(*w, "id", silence.id);
  w->Key("matchers");
  w->BeginArray();
  for (const alerting::Matcher& matcher : silence.matchers) {
    w->BeginObject();
    Field(*w, "name", matcher.name);
    Field(*w, "value", matcher.value);
    w->Key("negate");
    w->Bool(matcher.negate);
    w->Key("regex");
    w->Bool(matcher.regex);
    w->EndObject();
  }
  w->EndArray();
  Time(*w, "start", silence.start);
  Time(*w, "end", silence.end);
  Field(*w, "comment", silence.comment);
  Field(*w, "created_by", silence.created_by);
  w->EndObject();
}

std::string RulesJson(const std::vector<alerting::RuleStatus>& rules,
                      const std::vector<alerting::ReceiverStatus>& receivers,
                      const alerting::EngineCounts& counts,
                      const alerting::AlertingOptions& options) {
  std::string body;
  JsonWriter w(&body);
  w.BeginObject();
  Time(w, "evaluated_at", counts.evaluated_at);
  Duration(w, "interval", options.interval);
  w.Key("evaluation_ms");
  w.Double(
      std::chrono::duration<double, std::milli>(counts.last_round).count());
  w.Key("rules");
  w.BeginArray();
  for (const auto& rule : rules) WriteStatus(rule, options.base_url, w);
  w.EndArray();
  w.Key("receivers");
  w.BeginArray();
  for (const auto& receiver : receivers) {
    w.BeginObject();
    Field(w, "name", receiver.name);
    w.Key("waiting");
    w.Uint(receiver.waiting);
    Field(w, "last_error", receiver.last_error);
    w.EndObject();
  }
  w.EndArray();
  w.EndObject();
  return body;
}

std::string ReplayJson(const alerting::ReplayRequest& request,
                       const alerting::ReplayResult& result,
                       std::string_view base_url) {
  std::string body;
  JsonWriter w(&body);
  w.BeginObject();
  w.Key("rule");
  w.BeginObject();
  WriteRule(request.rule, w);
  w.EndObject();
  Time(w, "start", request.start);
  Time(w, "end", request.end);
  Duration(w, "step", result.step);
  w.Key("evaluations");
  w.Uint(result.evaluations);
  w.Key("instances");
  w.Uint(result.instances);
  w.Key("fired");
  w.Uint(result.firings.size());
  w.Key("firings");
  w.BeginArray();
  for (const alerting::Firing& firing : result.firings) {
    const alerting::Measurement& peak = firing.peak;
    w.BeginObject();
    Map(w, "labels", firing.labels);
    Field(w, "state", alerting::PhaseName(firing.worst));
    Time(w, "start", firing.start);
    Time(w, "end", firing.end.value_or(UnixNanos()));
    Value(w, "value", peak.value, peak.unit);
    Field(w, "unit", peak.unit);
    w.Key("count");
    w.Uint(peak.count);
    Field(w, "reason", peak.reason);
    Field(w, "trace_id", peak.example);
    Field(w, "trace_url",
          peak.example.empty()
              ? std::string()
              : fmt::format("{}/trace/{}", base_url, peak.example));
    w.EndObject();
  }
  w.EndArray();
  w.Key("points");
  w.BeginArray();
  for (const alerting::ReplayPoint& point : result.points) {
    w.BeginObject();
    Time(w, "at", point.at);
    w.Key("value");
    w.Double(point.value);
    w.EndObject();
  }
  w.EndArray();
  w.EndObject();
  return body;
}

}  // namespace khtrace::api
