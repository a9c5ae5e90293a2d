// SPDX-License-Identifier: Apache-2.0
#include "alerting/measurement.h"

#include <cmath>

namespace khtrace::alerting {
namespace {

bool IsBreach(double value, double threshold, Comparison compare) {
  switch (compare) {
    case Comparison::kAbove:
      return value > threshold;
    case Comparison::kAtLeast:
      return value >= threshold;
    case Comparison::kBelow:
      return value < threshold;
    case Comparison::kAtMost:
      return value <= threshold;
  }
  return false;
}

}  // namespace

Verdict Judge(double value, double threshold, Comparison compare,
              double resolve_below) {
  if (std::isnan(value)) return {.breach = false, .clear = false};
  const bool upwards =
      compare == Comparison::kAbove || compare == Comparison::kAtLeast;
  // On the good side of the threshold, also of a negative one.
  const double band = std::abs(threshold) * (1 - resolve_below);
  const bool beyond_band =
      upwards ? value <= threshold - band : value >= threshold + band;
  const bool breach = IsBreach(value, threshold, compare);
  return {.breach = breach, .clear = beyond_band && !breach};
}

void JudgeAll(const Rule& rule, Measurement* measurement) {
  Measurement& m = *measurement;
  if (!m.value || std::isnan(*m.value)) {
    m.value.reset();
    if (m.no_data.empty()) m.no_data = "no_spans";
    return;
  }
  if (m.count < rule.min_samples) m.no_data = "insufficient_data";
  const auto judge = [&](const std::optional<double>& threshold) {
    return threshold
               ? Judge(*m.value, *threshold, rule.compare, rule.resolve_below)
               : Verdict();
  };
  m.alert_verdict = judge(m.alert);
  m.critical_verdict = judge(m.critical);
}

}  // namespace khtrace::alerting
