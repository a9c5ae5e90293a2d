// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "aggregate/latency_histogram.h"
#include "analysis/options.h"

// Grades A to F, and how sure they are. Pure functions.

namespace khtrace::analysis {

enum class Grade : uint8_t { kA, kB, kC, kD, kF };  // best first

std::string_view GradeName(Grade grade);                 // "A"
std::optional<Grade> ParseGrade(std::string_view text);  // "a" or "A"
// Bands are half-open: exactly bands[0] is a B.
Grade GradeOf(uint64_t nanos, const Targets& targets);
// The worse one of `grade` and what the error rate (0 to 1) allows.
Grade CapByErrors(Grade grade, double error_rate,
                  const AnalysisOptions& options);

enum class AlertLevel : uint8_t { kOk, kAlert, kCritical };
std::string_view AlertLevelName(AlertLevel level);  // "ok"
AlertLevel AlertLevelOf(uint64_t p95_nanos, const Targets& targets);

// Where the true quantile lies with a probability of at least `confidence`
// (distribution-free: order statistics of the binomial distribution). Bounds
// are within 1 %, as the histogram's quantiles. high is the greatest value
// known if there are too few values to bound it.
struct Interval {
  double low = 0;
  double high = 0;
};
Interval QuantileInterval(const aggregate::LatencyHistogram& durations,
                          double q, double confidence = 0.95);

// The probability that the true 95th percentile lies in the band of `grade`.
double GradeConfidence(const aggregate::LatencyHistogram& durations,
                       Grade grade, const Targets& targets);

}  // namespace khtrace::analysis
