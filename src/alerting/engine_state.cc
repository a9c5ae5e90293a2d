// SPDX-License-Identifier: Apache-2.0
#include "alerting/engine_state.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

#include "base/hash.h"
#include "base/request_context.h"
#include "traceql/checker.h"

namespace khtrace::alerting {
namespace {

std::string_view ValueOf(const Labels& labels, std::string_view name) {
  for (const auto& [key, value] : labels) {
    if (key == name) return value;
  }
  return "";
}

void Put(std::string name, std::string value, Labels* labels) {
  for (auto& [key, old] : *labels) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  labels->emplace_back(std::move(name), std::move(value));
}

}  // namespace

std::string AlertId(std::string_view tenant, std::string_view rule,
                    const Labels& labels) {
  // Lengths keep {"a", "bc"} and {"ab", "c"} apart.
  std::string key =
      fmt::format("{} {}{} {}", tenant.size(), tenant, rule.size(), rule);
  for (const auto& [name, value] : labels) {
    key += fmt::format("{} {}{} {}", name.size(), name, value.size(), value);
  }
  return fmt::format("{:016x}", Hash64(key));
}

Result<MatcherSet> MatcherSet::Compile(const std::vector<Matcher>& matchers) {
  if (matchers.empty()) {
    return Error{Code::kInvalidArgument, "matchers: a silence needs one"};
  }
  MatcherSet set;
  for (const Matcher& matcher : matchers) {
    One& one = set.all_.emplace_back();
    one.matcher = matcher;
    if (!matcher.regex) continue;
    std::string why;
    one.regex = traceql::CompileRegex(matcher.value, &why);
    if (one.regex == nullptr) {
      return Error{Code::kInvalidArgument,
                   fmt::format("matchers: {}: '{}': {}", matcher.name,
                               matcher.value, why)};
    }
  }
  return set;
}

bool MatcherSet::Fits(const Labels& labels) const {
  return std::all_of(all_.begin(), all_.end(), [&labels](const One& one) {
    const std::string_view value = ValueOf(labels, one.matcher.name);
    const bool fits =
        one.regex == nullptr
            ? value == one.matcher.value
            : re2::RE2::FullMatch({value.data(), value.size()}, *one.regex);
    return fits != one.matcher.negate;
  });
}

Labels RuleLabels(const Rule& rule, const Alert& alert, Phase phase) {
  Labels labels = alert.labels;
  for (const auto& [name, value] : rule.labels) Put(name, value, &labels);
  Put("alertname", alert.rule, &labels);
  if (alert.tenant != kDefaultTenant) Put("tenant", alert.tenant, &labels);
  Put("severity",
      phase == Phase::kCritical ? rule.critical_severity : rule.alert_severity,
      &labels);
  std::sort(labels.begin(), labels.end());
  return labels;
}

}  // namespace khtrace::alerting
