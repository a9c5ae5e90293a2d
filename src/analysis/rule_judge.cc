// SPDX-License-Identifier: Apache-2.0
#include "analysis/rule_judge.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>
#include <utility>

#include "analysis/category_rules.h"

namespace khtrace::analysis {
namespace {

// With its length, so that no two lists of texts look alike.
void AppendText(std::string_view text, std::string* out) {
  fmt::format_to(std::back_inserter(*out), "{}:{} ", text.size(), text);
}

void AppendBands(const Targets& targets, std::string* out) {
  for (const std::chrono::nanoseconds band : targets.bands) {
    fmt::format_to(std::back_inserter(*out), "{} ", band.count());
  }
}

// All that judgements follow from.
std::string IdentityOf(const AnalysisOptions& options) {
  std::string out;
  for (const Category& category : options.categories) {
    out += "category ";
    AppendText(category.name, &out);
    AppendBands(category.targets, &out);
  }
  for (const CategoryRule& rule : options.rules) {
    out += "rule ";
    AppendText(rule.service, &out);
    AppendText(rule.operation, &out);
    AppendText(rule.kind, &out);
    AppendText(rule.category, &out);
    out += rule.has ? std::to_string(static_cast<int>(*rule.has)) : "-";
  }
  for (const TargetOverride& over : options.overrides) {
    out += "override ";
    AppendText(over.service, &out);
    AppendText(over.operation, &out);
    AppendBands(over.targets, &out);
  }
  return out;
}

}  // namespace

RuleJudge::RuleJudge(AnalysisOptions options)
    : options_(std::move(options)), identity_(IdentityOf(options_)) {
  for (const Category& category : options_.categories) {
    categories_.push_back(category.name);
  }
}

query::SpanJudge::Judgement RuleJudge::Judge(const Subject& subject) const {
  const RuleSubject ruled{.service = subject.service,
                          .operation = subject.name,
                          .kind = subject.kind,
                          .trait = subject.trait};
  const Category* category = FindCategory(options_, ruled);
  Judgement out;
  if (category != nullptr) {
    out.category = static_cast<uint32_t>(category - options_.categories.data());
  }
  const auto targets = FindTargets(options_, ruled, category);
  if (!targets) return out;
  out.bands.emplace();
  for (size_t i = 0; i < targets->bands.size(); ++i) {
    (*out.bands)[i] = static_cast<uint64_t>(targets->bands[i].count());
  }
  return out;
}

}  // namespace khtrace::analysis
