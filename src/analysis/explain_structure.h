// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/trace_sample.h"

// What is different below some spans, compared with others of the same
// operation: which operations are called there, how often, and how long they
// take themselves. Pure.

namespace khtrace::analysis {

enum class StructureKind : uint8_t {
  kPresent,   // below more of the selected spans than of the others
  kMissing,   // below fewer
  kRepeated,  // more calls below a span, where there are any
  kFewer,
  kSlower,  // more own time a call
  kFaster,
};
std::string_view NameOf(StructureKind kind);

struct StructuralDifference {
  StructureKind kind = StructureKind::kPresent;
  // Of the spans that were compared.
  std::string parent_service;
  std::string parent_operation;
  // Called below them, at any depth; or, if `itself`, the same.
  std::string service;
  std::string operation;
  bool itself = false;
  uint64_t selected_spans = 0;  // that were compared
  uint64_t other_spans = 0;
  uint64_t selected = 0;  // of them, those with such a call
  uint64_t others = 0;
  double selected_calls = 0;  // in the mean of those
  double other_calls = 0;
  double selected_own_nanos = 0;  // own time of a call, the median of those
  double other_own_nanos = 0;
  // -1 to 1: the difference of shares for kPresent and kMissing; otherwise the
  // chance that a selected span has more (calls, time) than another, minus
  // the chance that it has less.
  double effect = 0;
  // How often chance alone would show as much, corrected for the number of
  // structural comparisons.
  double q_value = 0;
  // Of kPresent and kMissing: "service operation" of others that are below
  // exactly as many spans, and so say the same.
  std::vector<std::string> together;
  std::string text;  // the same in words
};

// Of the matched spans of both samples. Only operations that have at least
// five spans on both sides are compared. Greatest |effect| first; q < 0.01.
std::vector<StructuralDifference> CompareStructure(const TraceSample& selected,
                                                   const TraceSample& others);

}  // namespace khtrace::analysis
