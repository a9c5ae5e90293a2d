// SPDX-License-Identifier: Apache-2.0
#include "analysis/grade.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <cmath>

namespace khtrace::analysis {
namespace {

using aggregate::LatencyHistogram;

// Up to here ranks come from the binomial distribution itself; above it the
// normal one is as good (np(1-p) > 40) and constant in time.
constexpr uint64_t kExactCount = 1'000;

// P(X <= k) of X binomial (n, p): the incomplete beta function.
double BinomialCdf(uint64_t n, double p, int64_t k) {
  if (k < 0) return 0;
  if (k >= static_cast<int64_t>(n)) return 1;
  return boost::math::ibetac(static_cast<double>(k) + 1,
                             static_cast<double>(n) - static_cast<double>(k),
                             p);
}

// The least k with P(X <= k) >= probability.
uint64_t BinomialQuantile(uint64_t n, double p, double probability) {
  if (n > kExactCount) {
    const double mean = static_cast<double>(n) * p;
    const double deviation = std::sqrt(mean * (1 - p));
    const double z = boost::math::quantile(boost::math::normal(), probability);
    const double k = std::ceil(mean + z * deviation - 0.5);
    return static_cast<uint64_t>(std::clamp(k, 0.0, static_cast<double>(n)));
  }
  uint64_t low = 0;
  uint64_t high = n;
  while (low < high) {
    const uint64_t middle = (low + high) / 2;
    if (BinomialCdf(n, p, static_cast<int64_t>(middle)) >= probability) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// The value of `rank`, 1 the least.
double ValueAtRank(const LatencyHistogram& durations, uint64_t rank) {
  uint64_t seen = 0;
  double value = 0;
  for (const LatencyHistogram::Bin& bin : durations.bins()) {
    seen += bin.count;
    value = LatencyHistogram::ValueOf(bin.index);
    if (seen >= rank) break;
  }
  return value;
}

// Values below `nanos`; of the bin that it lies in the share below it.
double CountBelow(const LatencyHistogram& durations, uint64_t nanos) {
  const uint32_t index = LatencyHistogram::IndexOf(nanos);
  double below = 0;
  for (const LatencyHistogram::Bin& bin : durations.bins()) {
    if (bin.index > index) break;
    if (bin.index < index) {
      below += static_cast<double>(bin.count);
      continue;
    }
    const auto least = static_cast<double>(LatencyHistogram::LeastOf(index));
    const double next =
        index + 1 < LatencyHistogram::kBins
            ? static_cast<double>(LatencyHistogram::LeastOf(index + 1))
            : least;
    const double share =
        next > least ? (static_cast<double>(nanos) - least) / (next - least)
                     : 0;
    below += share * static_cast<double>(bin.count);
  }
  return below;
}

}  // namespace

std::string_view GradeName(Grade grade) {
  constexpr std::string_view kNames[] = {"A", "B", "C", "D", "F"};
  return kNames[static_cast<size_t>(grade)];
}

std::optional<Grade> ParseGrade(std::string_view text) {
  if (text.size() != 1) return std::nullopt;
  switch (text[0] | 0x20) {
    case 'a':
      return Grade::kA;
    case 'b':
      return Grade::kB;
    case 'c':
      return Grade::kC;
    case 'd':
      return Grade::kD;
    case 'f':
      return Grade::kF;
    default:
      return std::nullopt;
  }
}

Grade GradeOf(uint64_t nanos, const Targets& targets) {
  const auto above = [nanos](std::chrono::nanoseconds band) {
    return nanos >= static_cast<uint64_t>(std::max<int64_t>(band.count(), 0));
  };
  const auto worse =
      std::count_if(targets.bands.begin(), targets.bands.end(), above);
  return static_cast<Grade>(worse);
}

Grade CapByErrors(Grade grade, double error_rate,
                  const AnalysisOptions& options) {
  if (error_rate >= options.error_rate_for_f) return Grade::kF;
  if (error_rate >= options.error_rate_for_c) return std::max(grade, Grade::kC);
  return grade;
}

std::string_view AlertLevelName(AlertLevel level) {
  constexpr std::string_view kNames[] = {"ok", "alert", "critical"};
  return kNames[static_cast<size_t>(level)];
}

AlertLevel AlertLevelOf(uint64_t p95_nanos, const Targets& targets) {
  const auto is_above = [p95_nanos](std::chrono::nanoseconds limit) {
    return p95_nanos > static_cast<uint64_t>(limit.count());
  };
  if (is_above(targets.critical)) return AlertLevel::kCritical;
  return is_above(targets.alert) ? AlertLevel::kAlert : AlertLevel::kOk;
}

// The true quantile lies between the values of ranks l and u with the
// probability P(l <= X < u) of X binomial (n, q): David and Nagaraja, Order
// Statistics, section 7.1.
Interval QuantileInterval(const LatencyHistogram& durations, double q,
                          double confidence) {
  const uint64_t n = durations.count();
  if (n == 0) return {};
  const double tail = (1 - confidence) / 2;
  const uint64_t low = BinomialQuantile(n, q, tail);
  const uint64_t high = BinomialQuantile(n, q, 1 - tail) + 1;
  Interval interval;
  interval.low = low == 0 ? 0 : ValueAtRank(durations, low);
  interval.high = ValueAtRank(durations, std::min(high, n));
  return interval;
}

// Of n values k are below a bound: the share of all values below it is beta
// distributed (k + 1/2, n - k + 1/2), Jeffreys' prior. The 95th percentile is
// below the bound if that share is above 95 %.
double GradeConfidence(const LatencyHistogram& durations, Grade grade,
                       const Targets& targets) {
  const auto n = static_cast<double>(durations.count());
  if (n == 0) return 0;
  const auto is_below = [&](std::chrono::nanoseconds bound) {
    const double k = std::min(
        n, CountBelow(durations, static_cast<uint64_t>(bound.count())));
    return boost::math::ibetac(k + 0.5, n - k + 0.5, 0.95);
  };
  const auto i = static_cast<size_t>(grade);
  const double upper = grade == Grade::kF ? 1 : is_below(targets.bands[i]);
  const double lower = grade == Grade::kA ? 0 : is_below(targets.bands[i - 1]);
  return std::clamp(upper - lower, 0.0, 1.0);
}

}  // namespace khtrace::analysis
