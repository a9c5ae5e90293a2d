// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/operation_report.h"

// How events lie in time. Pure.

namespace khtrace::analysis {

enum class TimeShape : uint8_t {
  kTooFew,    // fewer than ten
  kSteady,    // as chance would have it at an even rate
  kPeriodic,  // four and more peaks at equal distances
  kBurst,     // half of them and more within a third of the time
  kUneven,    // none of these
};
std::string_view NameOf(TimeShape shape);

struct TimePattern {
  TimeShape shape = TimeShape::kTooFew;
  uint64_t events = 0;
  // Variance of the counts in sixty equal stretches over their mean: 1 by
  // chance. `p_value`: how often chance has as much.
  double dispersion = 0;
  double p_value = 1;
  // kPeriodic.
  uint32_t peaks = 0;
  uint64_t period_nanos = 0;
  // The stretch that is least like chance (Kulldorff, Communications in
  // Statistics 26, 1997), with its share of the events and of the time.
  Window densest;
  double densest_share = 0;
  double densest_time_share = 0;
  std::string evidence;  // in words
};

// `times`: of events within `window`, in any order.
TimePattern PatternOf(const std::vector<UnixNanos>& times, Window window);

}  // namespace khtrace::analysis
