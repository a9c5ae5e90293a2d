// SPDX-License-Identifier: Apache-2.0
#include "analysis/category_rules.h"

#include <algorithm>

namespace khtrace::analysis {
namespace {

bool FitsOrEmpty(std::string_view pattern, std::string_view text) {
  return pattern.empty() || FitsPattern(pattern, text);
}

bool Fits(const CategoryRule& rule, const RuleSubject& subject) {
  return FitsOrEmpty(rule.service, subject.service) &&
         FitsOrEmpty(rule.operation, subject.operation) &&
         (rule.kind.empty() || rule.kind == KindName(subject.kind)) &&
         (!rule.has || *rule.has == subject.trait);
}

}  // namespace

// Goes back to the last star only: what an earlier one could take more, the
// last one can as well. Linear but for texts that repeat themselves.
bool FitsPattern(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t after_star = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      after_star = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++after_star;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::string_view KindName(model::SpanKind kind) {
  constexpr std::string_view kNames[] = {"unspecified", "internal", "server",
                                         "client",      "producer", "consumer"};
  const auto number = static_cast<size_t>(kind);
  return number < std::size(kNames) ? kNames[number] : kNames[0];
}

const Category* FindCategory(const AnalysisOptions& options,
                             const RuleSubject& subject) {
  for (const CategoryRule& rule : options.rules) {
    if (!Fits(rule, subject)) continue;
    const auto category = std::find_if(
        options.categories.begin(), options.categories.end(),
        [&](const Category& c) { return c.name == rule.category; });
    return category == options.categories.end() ? nullptr : &*category;
  }
  return nullptr;
}

std::optional<Targets> FindTargets(const AnalysisOptions& options,
                                   const RuleSubject& subject,
                                   const Category* category) {
  for (const TargetOverride& over : options.overrides) {
    if (FitsOrEmpty(over.service, subject.service) &&
        FitsOrEmpty(over.operation, subject.operation)) {
      return over.targets;
    }
  }
  if (category == nullptr) return std::nullopt;
  return category->targets;
}

}  // namespace khtrace::analysis
