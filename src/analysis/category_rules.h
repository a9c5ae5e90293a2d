// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "analysis/options.h"
#include "model/span_batch.h"

// Which category a span belongs to, and what it is measured by. Pure.

namespace khtrace::analysis {

// Whether `text` fits `pattern`, in which `*` stands for any characters.
bool FitsPattern(std::string_view pattern, std::string_view text);

std::string_view KindName(model::SpanKind kind);  // "server"

// What a rule looks at.
struct RuleSubject {
  std::string_view service;
  std::string_view operation;
  model::SpanKind kind = model::SpanKind::kUnspecified;
  aggregate::Trait trait = aggregate::Trait::kNone;
};

// The category of the first rule that fits; nullptr if none does. Lives as
// long as `options`.
const Category* FindCategory(const AnalysisOptions& options,
                             const RuleSubject& subject);
// What the operation is measured by: an override, else its category's.
std::optional<Targets> FindTargets(const AnalysisOptions& options,
                                   const RuleSubject& subject,
                                   const Category* category);

}  // namespace khtrace::analysis
