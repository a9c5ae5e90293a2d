// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aggregate/partial_rows.h"
#include "base/result.h"

namespace khtrace::analysis {

// What a category of operations is measured by. All are compared with the
// 95th percentile of durations.
struct Targets {
  std::chrono::nanoseconds target{};
  // Above them an operation's alert state is "alert" or "critical".
  std::chrono::nanoseconds alert{};
  std::chrono::nanoseconds critical{};
  // Below bands[0] the grade is A, below bands[1] B, C, D; from bands[3] on F.
  std::array<std::chrono::nanoseconds, 4> bands{};

  bool operator==(const Targets&) const = default;
};

struct Category {
  std::string name;  // "api"
  Targets targets;
};

// A condition that is not given is met. Texts may hold `*`: any characters.
struct CategoryRule {
  std::string service;
  std::string operation;  // span name
  std::string kind;       // "server", "client", "internal", …
  std::optional<aggregate::Trait>
      has;               // attributes of that kind are on the span
  std::string category;  // must be the name of a category

  bool operator==(const CategoryRule&) const = default;
};

// Targets of single operations, over those of their category. Texts as in
// CategoryRule; the first one that fits counts.
struct TargetOverride {
  std::string service;
  std::string operation;
  Targets targets;
};

// Weights of the impact's factors: score = duration^d * frequency^f *
// reliability^r. 1: the factor as it is; 0: left out.
struct ImpactWeights {
  double duration = 1;
  double frequency = 1;
  double reliability = 1;
};

struct AnalysisOptions {
  // First those of the configuration, then the built-in ones (Defaults()).
  std::vector<Category> categories;
  // First match wins.
  std::vector<CategoryRule> rules;
  std::vector<TargetOverride> overrides;
  ImpactWeights weights;
  // Operations with fewer spans get no grade. Larger: fewer, surer grades.
  uint64_t min_samples = 20;
  // From these error rates on a grade is no better than C, or F.
  double error_rate_for_c = 0.01;
  double error_rate_for_f = 0.1;

  // Categories memory, database, ai, api and session with the rules by which
  // operations come to them (docs/analysis.md).
  static AnalysisOptions Defaults();
};

// kInvalidArgument names the category or rule and what is wrong with it:
// bands that do not ascend, alert above critical, unknown category, a name
// twice, an empty rule, weights or rates out of range.
Status Validate(const AnalysisOptions& options);

}  // namespace khtrace::analysis
