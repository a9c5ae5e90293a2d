// SPDX-License-Identifier: Apache-2.0
#include "alerting/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>

#include "traceql/checker.h"
#include "traceql/parser.h"

namespace khtrace::alerting {
namespace {

constexpr std::chrono::seconds kLeastInterval{1};
// Windows are scanned in every round: longer ones belong into a dashboard.
constexpr std::chrono::hours kLongestWindow{24};

Error Bad(std::string message) {
  return {Code::kInvalidArgument, std::move(message)};
}

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= 200 &&
         std::none_of(name.begin(), name.end(), [](char c) {
           return static_cast<unsigned char>(c) < ' ' || c == 0x7f;
         });
}

bool IsUpwards(Comparison compare) {
  return compare == Comparison::kAbove || compare == Comparison::kAtLeast;
}

Result<traceql::Query> Parse(const std::string& text) {
  ASSIGN_OR_RETURN(traceql::Query query, traceql::ParseQuery(text));
  RETURN_IF_ERROR(traceql::CheckQuery(query));
  return query;
}

Status CheckThresholds(const Rule& rule) {
  if (!rule.alert && !rule.critical) {
    return Bad("alert: a query needs a threshold: alert, critical, or both");
  }
  if (!rule.alert || !rule.critical) return {};
  const bool ordered = IsUpwards(rule.compare) ? *rule.alert <= *rule.critical
                                               : *rule.alert >= *rule.critical;
  if (ordered) return {};
  return Bad(fmt::format(
      "critical: {} must be {} than alert, {}", *rule.critical,
      IsUpwards(rule.compare) ? "no less" : "no more", *rule.alert));
}

Status CheckQueryRule(const Rule& rule) {
  auto query = Parse(rule.query);
  if (!query) return std::move(query).error().With("query");
  if (!query->is_metrics()) {
    return Bad(
        "query: not a metrics query; end it in a function such as "
        "`| rate()` or `| quantile_over_time(duration, .95)`");
  }
  return CheckThresholds(rule);
}

Status CheckObjective(const Rule& rule) {
  const Objective& objective = rule.objective;
  auto query = Parse(objective.select);
  if (!query) return std::move(query).error().With("objective.select");
  if (query->is_metrics()) {
    return Bad("objective.select: a metrics query; give the spans alone");
  }
  // More is put behind it, where hints cannot stand.
  if (!query->hints.empty()) {
    return Bad("objective.select: has hints (with …); give the spans alone");
  }
  if (!(objective.goal > 0 && objective.goal < 1)) {
    return Bad(fmt::format("objective.goal: {} is not between 0 and 1",
                           objective.goal));
  }
  if (objective.period < std::chrono::hours(24)) {
    return Bad("objective.period: below the least, 24h");
  }
  return {};
}

Status CheckCategory(const Rule& rule,
                     const analysis::AnalysisOptions& analysis) {
  std::string names;
  for (const analysis::Category& category : analysis.categories) {
    if (category.name == rule.category) return {};
    names += (names.empty() ? "" : ", ") + category.name;
  }
  return Bad(fmt::format("category: '{}' is none of {}", rule.category, names));
}

Status CheckKind(const Rule& rule, const analysis::AnalysisOptions& analysis) {
  switch (rule.kind) {
    case RuleKind::kCategory:
      return CheckCategory(rule, analysis);
    case RuleKind::kQuery:
      return CheckQueryRule(rule);
    case RuleKind::kObjective:
      return CheckObjective(rule);
  }
  return {};
}

Rule TargetRule(std::string name, std::string category) {
  Rule rule;
  rule.name = std::move(name);
  rule.kind = RuleKind::kCategory;
  rule.category = std::move(category);
  rule.hold = std::chrono::minutes(1);
  return rule;
}

Status CheckUnique(const std::vector<std::string>& names,
                   std::string_view what) {
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) {
      return Bad(fmt::format("{} '{}' is there twice", what, name));
    }
  }
  return {};
}

template <typename T>
std::vector<std::string> NamesOf(const std::vector<T>& items) {
  std::vector<std::string> names;
  for (const T& item : items) names.push_back(item.name);
  return names;
}

}  // namespace

AlertingOptions AlertingOptions::Defaults() {
  AlertingOptions options;
  options.rules = {
      TargetRule("memory-target", "memory"),
      TargetRule("database-target", "database"),
      TargetRule("ai-target", "ai"),
      TargetRule("api-target", "api"),
      TargetRule("session-target", "session"),
  };
  return options;
}

void AddRule(Rule rule, AlertingOptions* options) {
  for (Rule& known : options->rules) {
    if (known.name == rule.name) {
      known = std::move(rule);
      return;
    }
  }
  options->rules.push_back(std::move(rule));
}

Status Validate(const Rule& rule, const analysis::AnalysisOptions& analysis) {
  if (!IsName(rule.name)) {
    return Bad("a rule needs a name of 1 to 200 printable characters");
  }
  RETURN_IF_ERROR(CheckKind(rule, analysis));
  if (rule.window < std::chrono::seconds(1) || rule.window > kLongestWindow) {
    return Bad("window: not from 1s to 24h");
  }
  if (rule.hold.count() < 0) return Bad("for: must not be negative");
  if (!(rule.resolve_below > 0 && rule.resolve_below <= 1)) {
    return Bad(fmt::format("resolve_below: {} is not above 0 and up to 1",
                           rule.resolve_below));
  }
  if (rule.keep_firing.count() < 0) {
    return Bad("keep_firing_for: must not be negative");
  }
  return {};
}

Status Validate(const Receiver& receiver) {
  if (!IsName(receiver.name)) {
    return Bad("a receiver needs a name of 1 to 200 printable characters");
  }
  auto address = ParseHttpUrl(receiver.url);
  if (!address) return std::move(address).error().With("url");
  if (receiver.timeout < std::chrono::milliseconds(1)) {
    return Bad("timeout: below the least, 1ms");
  }
  return {};
}

Status Validate(const AlertingOptions& options,
                const analysis::AnalysisOptions& analysis) {
  if (options.interval < kLeastInterval) {
    return Bad("interval: below the least, 1s");
  }
  RETURN_IF_ERROR(CheckUnique(NamesOf(options.rules), "rule"));
  RETURN_IF_ERROR(CheckUnique(NamesOf(options.receivers), "receiver"));
  for (const Receiver& receiver : options.receivers) {
    if (Status valid = Validate(receiver); !valid) {
      return std::move(valid).error().With(
          fmt::format("receiver '{}'", receiver.name));
    }
  }
  const std::vector<std::string> known = NamesOf(options.receivers);
  for (const Rule& rule : options.rules) {
    const std::string where = fmt::format("rule '{}'", rule.name);
    if (Status valid = Validate(rule, analysis); !valid) {
      return std::move(valid).error().With(where);
    }
    for (const std::string& name : rule.receivers) {
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        return Bad(fmt::format("{}: receivers: '{}' is none of {}", where, name,
                               fmt::join(known, ", ")));
      }
    }
  }
  return {};
}

Result<HttpAddress> ParseHttpUrl(const std::string& url) {
  constexpr std::string_view kScheme = "http://";
  if (url.starts_with("https://")) {
    return Bad(fmt::format(
        "'{}': https is not spoken here; send to an Alertmanager or a relay "
        "on this host by http, which speaks it for us",
        url));
  }
  if (!url.starts_with(kScheme)) {
    return Bad(fmt::format("'{}' is not http://host:port/path", url));
  }
  std::string_view rest = std::string_view(url).substr(kScheme.size());
  HttpAddress address;
  if (const size_t path = rest.find_first_of("/?"); path != rest.npos) {
    address.target = rest.substr(path);
    if (address.target.front() == '?')
      address.target.insert(address.target.begin(), '/');
    rest = rest.substr(0, path);
  }
  if (address.target.find_first_of(" \r\n#") != std::string::npos) {
    return Bad(fmt::format("'{}' has a blank or a fragment in its path", url));
  }
  if (rest.find('@') != rest.npos) {
    return Bad("a user name in a url is not supported; use bearer_token");
  }
  const size_t colon = rest.rfind(':');
  const size_t bracket = rest.rfind(']');
  if (colon != rest.npos && (bracket == rest.npos || colon > bracket)) {
    const std::string_view port = rest.substr(colon + 1);
    const auto [end, error] =
        std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc() || end != port.data() + port.size() ||
        address.port == 0) {
      return Bad(fmt::format("'{}': '{}' is no port", url, port));
    }
    rest = rest.substr(0, colon);
  }
  if (rest.starts_with('[') && rest.ends_with(']')) {
    rest = rest.substr(1, rest.size() - 2);
  }
  if (rest.empty()) return Bad(fmt::format("'{}' names no host", url));
  address.host = rest;
  return address;
}

}  // namespace khtrace::alerting
