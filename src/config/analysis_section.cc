// SPDX-License-Identifier: Apache-2.0
#include "config/analysis_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>

#include "base/text.h"

namespace khtrace::config {
namespace {

using analysis::AnalysisOptions;
using analysis::Category;
using analysis::CategoryRule;
using analysis::TargetOverride;
using analysis::Targets;
using std::chrono::nanoseconds;

// Bands that follow from the target where none are given: the built-in
// category `memory` has the same steps.
constexpr int kBandSteps[] = {1, 2, 4, 10};

void ReadBands(SectionReader& section, Targets* targets) {
  std::vector<std::string> texts;
  section.Strings("bands", &texts,
                  "Below them the grade is A, B, C, D; from the last one on F. "
                  "Four durations; without: 1, 2, 4 and 10 times the target");
  if (texts.empty()) {
    if (targets->bands[0].count() != 0) return;
    for (size_t i = 0; i < targets->bands.size(); ++i) {
      targets->bands[i] = targets->target * kBandSteps[i];
    }
    return;
  }
  const ConfigNode& at = *section.node()->Find("bands");
  if (texts.size() != targets->bands.size()) {
    return section.Fail(
        at, "bands", fmt::format("{} durations instead of four", texts.size()));
  }
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto band = ParseGoDuration(texts[i]);
    if (!band) return section.Fail(at, "bands", band.error().message);
    targets->bands[i] = *band;
  }
}

// `targets` may hold those that it refines; a zero has not been given.
void ReadTargets(SectionReader& section, Targets* targets) {
  constexpr nanoseconds kLeast{1};
  section.Duration("target", kLeast, &targets->target,
                   "What the 95th percentile is compared with");
  section.Duration("alert", kLeast, &targets->alert,
                   "Above it the operation's alert state is alert");
  section.Duration("critical", kLeast, &targets->critical,
                   "Above it the alert state is critical");
  if (section.present() &&
      (targets->target.count() == 0 || targets->alert.count() == 0 ||
       targets->critical.count() == 0)) {
    section.Fail(*section.node(), "", "needs target, alert and critical");
  }
  ReadBands(section, targets);
}

void ReadCategories(SectionReader section, AnalysisOptions* options) {
  Targets documented;
  SectionReader any = section.Section("NAME");
  ReadTargets(any, &documented);
  any.Finish();
  if (section.node() == nullptr) return;
  std::vector<Category> added;
  for (const auto& [name, node] : section.node()->map) {
    SectionReader item = section.Section(name);
    const auto known = std::find_if(
        options->categories.begin(), options->categories.end(),
        [&name = name](const Category& c) { return c.name == name; });
    Targets targets =
        known == options->categories.end() ? Targets() : known->targets;
    ReadTargets(item, &targets);
    item.Finish();
    if (known != options->categories.end()) {
      known->targets = targets;
    } else {
      added.push_back({name, targets});
    }
  }
  options->categories.insert(options->categories.begin(), added.begin(),
                             added.end());
}

void ReadHas(SectionReader& section, CategoryRule* rule) {
  int has = 0;
  section.Choice("has", {"any", "ai", "database", "messaging"}, &has,
                 "Spans with attributes of that kind (gen_ai.*, db.system, "
                 "messaging.system)");
  if (has != 0) rule->has = static_cast<aggregate::Trait>(has);
}

void ReadRules(SectionReader& section, AnalysisOptions* options) {
  std::vector<CategoryRule> rules;
  for (SectionReader& item : section.List("rules")) {
    CategoryRule rule;
    item.String("service", &rule.service,
                "Of these services; may hold * for any characters");
    item.String("operation", &rule.operation,
                "Of these span names; may hold *");
    item.String("kind", &rule.kind, "Of this span kind, as \"server\"");
    ReadHas(item, &rule);
    item.String("category", &rule.category,
                "The category of operations that fit all of the above; the "
                "first rule that fits counts, built-in ones come last");
    item.Finish();
    if (item.present()) rules.push_back(std::move(rule));
  }
  options->rules.insert(options->rules.begin(), rules.begin(), rules.end());
}

void ReadOverrides(SectionReader& section, AnalysisOptions* options) {
  for (SectionReader& item : section.List("overrides")) {
    TargetOverride one;
    item.String("service", &one.service,
                "Targets of the operations of these services; may hold *");
    item.String("operation", &one.operation, "Of these span names; may hold *");
    ReadTargets(item, &one.targets);
    item.Finish();
    if (item.present()) options->overrides.push_back(std::move(one));
  }
}

void ReadWeight(SectionReader& section, std::string_view key, double* weight,
                std::string_view help) {
  std::string text = fmt::format("{}", *weight);
  section.String(key, &text, help);
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() ||
      !std::isfinite(value)) {
    return section.Fail(*section.node()->Find(key), key,
                        fmt::format("'{}' is no number", text));
  }
  *weight = value;
}

}  // namespace

void ReadAnalysis(SectionReader section, ServerConfig* config) {
  AnalysisOptions& options = config->analysis;
  auto samples = static_cast<int64_t>(options.min_samples);
  section.Int("min_samples", 1, 1'000'000, &samples,
              "Operations with fewer spans in the window get no grade");
  options.min_samples = static_cast<uint64_t>(samples);
  section.Fraction("error_rate_for_c", &options.error_rate_for_c,
                   "From this error rate on a grade is C at best");
  section.Fraction("error_rate_for_f", &options.error_rate_for_f,
                   "From this error rate on it is F");
  SectionReader weights = section.Section("weights");
  ReadWeight(weights, "duration", &options.weights.duration,
             "Exponent of the factor duration in an impact score; 0 = left "
             "out");
  ReadWeight(weights, "frequency", &options.weights.frequency,
             "of the factor frequency");
  ReadWeight(weights, "reliability", &options.weights.reliability,
             "of the factor reliability");
  weights.Finish();
  ReadCategories(section.Section("categories"), &options);
  ReadRules(section, &options);
  ReadOverrides(section, &options);
  section.Finish();
  if (!section.present()) return;
  if (Status valid = analysis::Validate(options); !valid) {
    section.Fail(*section.node(), "", valid.error().message);
  }
}

}  // namespace khtrace::config
