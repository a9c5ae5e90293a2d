// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregate/partial_rows.h"
#include "model/span_batch.h"

namespace khtrace::query {

// What perf:category and perf:grade ask: which category spans belong to, and
// what they are measured by. analysis::RuleJudge does it by configuration.
// Immutable; thread-safe.
class SpanJudge {
 public:
  static constexpr uint32_t kNoCategory = UINT32_MAX;

  // All that a judgement may depend on.
  struct Subject {
    std::string_view service;  // resource.service.name; "" without one
    std::string_view name;
    model::SpanKind kind = model::SpanKind::kUnspecified;
    // Of the keys of the span's attributes the least that is not kNone.
    aggregate::Trait trait = aggregate::Trait::kNone;
  };
  struct Judgement {
    uint32_t category = kNoCategory;  // index into categories()
    // Nanoseconds, ascending: grade A lies below the first one, B, C and D
    // below the next ones, F from the last one on. Nothing: no grade.
    std::optional<std::array<uint64_t, 4>> bands;

    bool operator==(const Judgement&) const = default;
  };

  virtual ~SpanJudge() = default;

  virtual const std::vector<std::string>& categories() const = 0;
  virtual Judgement Judge(const Subject& subject) const = 0;
  // Names all that judgements follow from: equal names, equal judgements.
  virtual const std::string& identity() const = 0;
};

// The grades, best first.
inline constexpr std::array<std::string_view, 5> kGradeNames = {"A", "B", "C",
                                                                "D", "F"};
// Index into kGradeNames.
size_t GradeOf(uint64_t duration_nanos, const std::array<uint64_t, 4>& bands);

}  // namespace khtrace::query
