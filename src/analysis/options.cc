// SPDX-License-Identifier: Apache-2.0
#include "analysis/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

namespace khtrace::analysis {
namespace {

using aggregate::Trait;
using std::chrono::milliseconds;

Category Make(std::string_view name, std::array<int, 3> targets_ms,
              std::array<int, 4> bands_ms) {
  Category category;
  category.name = name;
  Targets& targets = category.targets;
  targets.target = milliseconds(targets_ms[0]);
  targets.alert = milliseconds(targets_ms[1]);
  targets.critical = milliseconds(targets_ms[2]);
  for (size_t i = 0; i < bands_ms.size(); ++i) {
    targets.bands[i] = milliseconds(bands_ms[i]);
  }
  return category;
}

CategoryRule ByName(std::string_view operation, std::string_view category) {
  CategoryRule rule;
  rule.operation = operation;
  rule.category = category;
  return rule;
}

CategoryRule ByTrait(Trait trait, std::string_view category) {
  CategoryRule rule;
  rule.has = trait;
  rule.category = category;
  return rule;
}

Error Bad(std::string message) {
  return {Code::kInvalidArgument, std::move(message)};
}

std::string Text(std::chrono::nanoseconds duration) {
  return fmt::format("{:g} ms", static_cast<double>(duration.count()) / 1e6);
}

// What is wrong with them, or "".
std::string Fault(const Targets& targets) {
  if (targets.target.count() <= 0) {
    return fmt::format("target {} is not above 0", Text(targets.target));
  }
  if (targets.alert.count() <= 0) {
    return fmt::format("alert {} is not above 0", Text(targets.alert));
  }
  if (targets.critical < targets.alert) {
    return fmt::format("critical {} is below alert {}", Text(targets.critical),
                       Text(targets.alert));
  }
  if (targets.bands[0].count() <= 0) {
    return fmt::format("the first band {} is not above 0",
                       Text(targets.bands[0]));
  }
  for (size_t i = 1; i < targets.bands.size(); ++i) {
    if (targets.bands[i] > targets.bands[i - 1]) continue;
    return fmt::format("bands do not ascend: {} after {}",
                       Text(targets.bands[i]), Text(targets.bands[i - 1]));
  }
  return "";
}

Status CheckRules(const AnalysisOptions& options,
                  const std::set<std::string_view>& names) {
  constexpr std::string_view kKinds[] = {"",        "unspecified", "internal",
                                         "server",  "client",      "producer",
                                         "consumer"};
  for (size_t i = 0; i < options.rules.size(); ++i) {
    const CategoryRule& rule = options.rules[i];
    const auto bad = [&](std::string_view what) {
      return Bad(fmt::format("category rule {}: {}", i + 1, what));
    };
    if (names.count(rule.category) == 0) {
      return bad(fmt::format("there is no category \"{}\"", rule.category));
    }
    if (std::find(std::begin(kKinds), std::end(kKinds), rule.kind) ==
        std::end(kKinds)) {
      return bad(
          fmt::format("\"{}\" is no span kind (internal, server, "
                      "client, producer, consumer)",
                      rule.kind));
    }
    if (rule.service.empty() && rule.operation.empty() && rule.kind.empty() &&
        !rule.has) {
      return bad("it has no condition");
    }
  }
  return {};
}

}  // namespace

AnalysisOptions AnalysisOptions::Defaults() {
  AnalysisOptions options;
  options.categories = {
      Make("memory", {50, 50, 100}, {50, 100, 200, 500}),
      Make("session", {1'000, 2'000, 5'000}, {1'000, 2'000, 5'000, 10'000}),
      Make("ai", {2'000, 5'000, 10'000}, {2'000, 5'000, 10'000, 20'000}),
      Make("database", {100, 200, 500}, {100, 250, 500, 1'000}),
      Make("api", {200, 1'000, 2'000}, {200, 500, 1'000, 2'000}),
  };
  CategoryRule server;
  server.kind = "server";
  server.category = "api";
  options.rules = {
      ByName("session.*", "session"),
      ByName("memory.*", "memory"),
      ByName("gen_ai.*", "ai"),
      ByName("ai.*", "ai"),
      ByName("llm.*", "ai"),
      ByTrait(Trait::kAi, "ai"),
      ByTrait(Trait::kDatabase, "database"),
      server,
  };
  return options;
}

Status Validate(const AnalysisOptions& options) {
  std::set<std::string_view> names;
  for (const Category& category : options.categories) {
    if (category.name.empty() || category.name == "none") {
      return Bad(
          fmt::format("a category cannot be called \"{}\"", category.name));
    }
    if (!names.insert(category.name).second) {
      return Bad(fmt::format("category \"{}\" is there twice", category.name));
    }
    const std::string fault = Fault(category.targets);
    if (!fault.empty()) {
      return Bad(fmt::format("category \"{}\": {}", category.name, fault));
    }
  }
  RETURN_IF_ERROR(CheckRules(options, names));
  for (const TargetOverride& over : options.overrides) {
    const std::string fault = Fault(over.targets);
    if (fault.empty()) continue;
    return Bad(fmt::format("targets of \"{}\" \"{}\": {}", over.service,
                           over.operation, fault));
  }
  const ImpactWeights& weights = options.weights;
  for (const double weight :
       {weights.duration, weights.frequency, weights.reliability}) {
    if (weight >= 0 && weight <= 10) continue;
    return Bad(fmt::format("impact weight {} is not in 0 … 10", weight));
  }
  const double for_c = options.error_rate_for_c;
  const double for_f = options.error_rate_for_f;
  if (!(for_c > 0 && for_c <= for_f && for_f <= 1)) {
    return Bad(fmt::format(
        "error rates {} (C) and {} (F) are not 0 < C <= F <= 1", for_c, for_f));
  }
  return {};
}

}  // namespace khtrace::analysis
