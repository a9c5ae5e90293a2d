// SPDX-License-Identifier: Apache-2.0
#include "config/alerting_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>

#include "base/text.h"

namespace khtrace::config {
namespace {

using alerting::AlertingOptions;
using alerting::Comparison;
using alerting::Objective;
using alerting::Receiver;
using alerting::ReceiverKind;
using alerting::Rule;
using alerting::RuleKind;
using alerting::WebhookFormat;
using std::chrono::nanoseconds;
using std::chrono::seconds;

bool Has(const SectionReader& section, std::string_view key) {
  return section.node() != nullptr && section.node()->Find(key) != nullptr;
}

// "2.5", or a duration, which is in seconds then.
std::optional<double> ParseThreshold(const std::string& text) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() &&
      std::isfinite(value)) {
    return value;
  }
  const auto duration = ParseGoDuration(text);
  if (!duration) return std::nullopt;
  return std::chrono::duration<double>(*duration).count();
}

void ReadThreshold(SectionReader& section, std::string_view key,
                   std::optional<double>* threshold, std::string_view help) {
  std::string text;
  section.String(key, &text, help);
  if (text.empty()) return;
  const auto value = ParseThreshold(text);
  if (!value) {
    return section.Fail(
        *section.node()->Find(key), key,
        fmt::format("'{}' is neither a number nor a duration", text));
  }
  *threshold = value;
}

void ReadObjective(SectionReader section, Objective* objective) {
  section.String("select", &objective->select,
                 "Share of good calls: the calls, as TraceQL");
  section.Duration("threshold", nanoseconds(0), &objective->threshold,
                   "Slower calls are bad, as failed ones are; 0s = only "
                   "failed ones");
  section.Fraction("goal", &objective->goal, "Share of calls that are good");
  section.Duration("period", std::chrono::hours(24), &objective->period,
                   "for which the goal is set");
  section.Finish();
}

void ReadWhat(SectionReader& section, Rule* rule) {
  section.String("category", &rule->category,
                 "p95 of every operation of this category against its "
                 "targets; or");
  section.String("query", &rule->query,
                 "a TraceQL metrics query, each series for itself; or");
  ReadObjective(section.Section("objective"), &rule->objective);
  const bool category = Has(section, "category");
  const bool query = Has(section, "query");
  const bool objective = Has(section, "objective");
  if (category + query + objective > 1 ||
      (category + query + objective == 0 && section.present() &&
       rule->category.empty())) {
    return section.Fail(*section.node(), "",
                        "needs one of category, query and objective");
  }
  if (query) rule->kind = RuleKind::kQuery;
  if (objective) rule->kind = RuleKind::kObjective;
  if (category) rule->kind = RuleKind::kCategory;
}

void ReadWhen(SectionReader& section, Rule* rule) {
  int compare = static_cast<int>(rule->compare);
  section.Choice("compare", {"above", "at_least", "below", "at_most"}, &compare,
                 "Of a query: how a value breaks a threshold");
  rule->compare = static_cast<Comparison>(compare);
  ReadThreshold(section, "alert", &rule->alert,
                "Of a query: a number, or a duration");
  ReadThreshold(section, "critical", &rule->critical,
                "Of a query: a number, or a duration");
  section.Duration("window", seconds(1), &rule->window,
                   "Spans that started within it count");
  section.Duration("for", nanoseconds(0), &rule->hold,
                   "A threshold must be broken for so long");
  section.Fraction("resolve_below", &rule->resolve_below,
                   "It is over at once below this share of the threshold,");
  section.Duration("keep_firing_for", nanoseconds(0), &rule->keep_firing,
                   "and between that and the threshold after so long");
  if (rule->kind == RuleKind::kQuery && !Has(section, "min_samples")) {
    rule->min_samples = 0;
  }
  auto samples = static_cast<int64_t>(rule->min_samples);
  section.Int("min_samples", 0, 1'000'000'000, &samples,
              "Fewer spans say nothing; 0 = they are not counted, the default "
              "of a query");
  rule->min_samples = static_cast<uint64_t>(samples);
}

void ReadWhom(SectionReader& section, Rule* rule) {
  section.String("tenant", &rule->tenant, "Of this tenant; empty = of each");
  section.Texts("labels", &rule->labels, "Added to those of its alerts");
  section.Texts("annotations", &rule->annotations, "Go with its messages");
  SectionReader severity = section.Section("severity");
  severity.String("alert", &rule->alert_severity,
                  "The label severity in the state alert");
  severity.String("critical", &rule->critical_severity,
                  "and in the state critical");
  severity.Finish();
  section.Strings("receivers", &rule->receivers, "Names; empty = all");
  section.Bool("enabled", &rule->enabled, "Whether it is evaluated");
}

// A rule named as a known one refines it.
Rule BaseOf(const SectionReader& section, const AlertingOptions& options) {
  const ConfigNode* name =
      section.node() == nullptr ? nullptr : section.node()->Find("name");
  if (name != nullptr) {
    for (const Rule& rule : options.rules) {
      if (rule.name == name->scalar) return rule;
    }
  }
  return {};
}

// False if one of them is wrong; it has been said then.
bool ReadRules(SectionReader& section, const analysis::AnalysisOptions& known,
               AlertingOptions* options) {
  bool all_valid = true;
  for (SectionReader& item : section.List("rules")) {
    Rule rule = BaseOf(item, *options);
    item.String("name", &rule.name,
                "Unique; that of a built-in rule changes it");
    ReadWhat(item, &rule);
    ReadWhen(item, &rule);
    ReadWhom(item, &rule);
    item.Finish();
    if (!item.present()) continue;
    if (Status valid = alerting::Validate(rule, known); !valid) {
      item.Fail(*item.node(), "", valid.error().message);
      all_valid = false;
    }
    AddRule(std::move(rule), options);
  }
  return all_valid;
}

bool ReadReceivers(SectionReader& section, AlertingOptions* options) {
  bool all_valid = true;
  for (SectionReader& item : section.List("receivers")) {
    Receiver receiver;
    item.String("name", &receiver.name, "Unique");
    int type = static_cast<int>(receiver.kind);
    item.Choice("type", {"webhook", "alertmanager"}, &type,
                "webhook = a message for each change; alertmanager = all that "
                "fires, again and again (API v2)");
    receiver.kind = static_cast<ReceiverKind>(type);
    int format = static_cast<int>(receiver.format);
    item.Choice("format", {"json", "slack"}, &format, "Of a webhook");
    receiver.format = static_cast<WebhookFormat>(format);
    item.String("url", &receiver.url, "http://host:port/path");
    std::vector<Secret> tokens;
    item.Secrets("bearer_token", &tokens, "Shown to the receiver");
    if (!tokens.empty()) receiver.bearer = tokens.front();
    item.Bool("send_resolved", &receiver.resolved,
              "Whether a webhook is told that it is over");
    item.Duration("timeout", std::chrono::milliseconds(1), &receiver.timeout,
                  "For one message");
    item.Finish();
    if (!item.present()) continue;
    if (Status valid = alerting::Validate(receiver); !valid) {
      item.Fail(*item.node(), "", valid.error().message);
      all_valid = false;
    }
    options->receivers.push_back(std::move(receiver));
  }
  return all_valid;
}

}  // namespace

void ReadAlerting(SectionReader section, ServerConfig* config) {
  AlertingOptions& options = config->alerting;
  section.Bool("enabled", &options.enabled, "Whether rules are evaluated");
  section.Duration("interval", seconds(1), &options.interval,
                   "How often rules are evaluated");
  section.Duration("round_timeout", std::chrono::milliseconds(100),
                   &options.round_timeout,
                   "For all rules once; those not reached come first in the "
                   "next round");
  section.Duration("repeat_interval", nanoseconds(0), &options.repeat,
                   "Webhooks are reminded of what still fires; 0s = never");
  section.Duration("history", std::chrono::minutes(1), &options.history,
                   "Past changes of state are shown for so long, the last 1000 "
                   "at most");
  section.String("base_url", &options.base_url,
                 "Messages link to traces there; empty = the web UI's "
                 "endpoint");
  bool defaults = true;
  section.Bool("default_rules", &defaults,
               "Whether there is a rule for each built-in category");
  if (!defaults) options.rules.clear();
  const bool rules_valid = ReadRules(section, config->analysis, &options);
  const bool receivers_valid = ReadReceivers(section, &options);
  section.Finish();
  if (!section.present() || !rules_valid || !receivers_valid) return;
  if (Status valid = alerting::Validate(options, config->analysis); !valid) {
    section.Fail(*section.node(), "", valid.error().message);
  }
}

}  // namespace khtrace::config
