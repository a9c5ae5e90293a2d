// SPDX-License-Identifier: Apache-2.0
#include "analysis/time_shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "base/text.h"

namespace khtrace::analysis {
namespace {

constexpr size_t kStretches = 60;
constexpr uint64_t kLeastEvents = 10;
constexpr double kMostP = 0.01;
// With fewer events the distribution of the dispersion is found by trying.
constexpr uint64_t kFewEvents = 10 * kStretches;
constexpr size_t kTrials = 1'999;
constexpr size_t kLeastPeaks = 4;
// Of the distances between peaks: deviation over mean.
constexpr double kMostJitter = 0.15;
constexpr double kLeastShare = 0.5;

using Counts = std::array<uint64_t, kStretches>;

double DispersionOf(const Counts& counts, uint64_t events) {
  const double mean = static_cast<double>(events) / kStretches;
  double squares = 0;
  for (const uint64_t count : counts) {
    const double distance = static_cast<double>(count) - mean;
    squares += distance * distance;
  }
  return squares / mean / (kStretches - 1);
}

// How often an even rate has so great a dispersion.
double ChanceOf(double dispersion, uint64_t events) {
  if (events >= kFewEvents) {
    // Chi-squared: Wilson and Hilferty, PNAS 17 (1931).
    const double spread = 2.0 / (9 * (kStretches - 1));
    const double z = (std::cbrt(dispersion) - (1 - spread)) / std::sqrt(spread);
    return std::erfc(z / std::sqrt(2)) / 2;
  }
  // The same answer for the same question.
  std::mt19937_64 random(events);
  size_t as_great = 1;
  for (size_t trial = 0; trial < kTrials; ++trial) {
    Counts counts{};
    for (uint64_t i = 0; i < events; ++i) ++counts[random() % kStretches];
    as_great += DispersionOf(counts, events) >= dispersion ? 1 : 0;
  }
  return static_cast<double>(as_great) / (kTrials + 1);
}

// Runs of stretches that have clearly more than the mean.
struct Peaks {
  std::vector<double> centres;  // in stretches
  uint64_t events = 0;
};

Peaks FindPeaks(const Counts& counts, uint64_t events, double deviations) {
  const double mean = static_cast<double>(events) / kStretches;
  const double above = mean + deviations * std::sqrt(mean);
  Peaks peaks;
  for (size_t i = 0; i < kStretches; ++i) {
    if (static_cast<double>(counts[i]) <= above) continue;
    double weight = 0;
    double sum = 0;
    for (; i<kStretches&& static_cast<double>(counts[i])> above; ++i) {
      const auto count = static_cast<double>(counts[i]);
      weight += count;
      sum += count * (static_cast<double>(i) + 0.5);
    }
    peaks.centres.push_back(sum / weight);
    peaks.events += static_cast<uint64_t>(weight);
  }
  return peaks;
}

// The distance between peaks in stretches; 0 if they are not equally far.
double PeriodOf(const Peaks& peaks, uint64_t events) {
  const std::vector<double>& centres = peaks.centres;
  if (centres.size() < kLeastPeaks ||
      static_cast<double>(peaks.events) <
          kLeastShare * static_cast<double>(events)) {
    return 0;
  }
  const double mean = (centres.back() - centres.front()) /
                      static_cast<double>(centres.size() - 1);
  double squares = 0;
  for (size_t i = 1; i < centres.size(); ++i) {
    const double distance = centres[i] - centres[i - 1] - mean;
    squares += distance * distance;
  }
  const double deviation =
      std::sqrt(squares / static_cast<double>(centres.size() - 2));
  return deviation <= kMostJitter * mean ? mean : 0;
}

struct Range {
  size_t begin = 0;
  size_t end = 0;
  uint64_t events = 0;
};

Range DensestOf(const Counts& counts, uint64_t events) {
  const auto all = static_cast<double>(events);
  Range densest;
  double greatest = -1;
  for (size_t begin = 0; begin < kStretches; ++begin) {
    uint64_t sum = 0;
    for (size_t end = begin + 1; end <= kStretches; ++end) {
      sum += counts[end - 1];
      const auto inside = static_cast<double>(sum);
      const double expected =
          all * static_cast<double>(end - begin) / kStretches;
      if (inside <= expected || end - begin == kStretches) continue;
      double ratio = inside * std::log(inside / expected);
      if (inside < all) {
        ratio += (all - inside) * std::log((all - inside) / (all - expected));
      }
      if (ratio <= greatest) continue;
      greatest = ratio;
      densest = {begin, end, sum};
    }
  }
  return densest;
}

std::string Duration(uint64_t nanos) {
  const auto seconds = static_cast<double>(nanos) / 1e9;
  if (seconds < 120) return fmt::format("{:.3g} s", seconds);
  if (seconds < 7200) return fmt::format("{:.3g} min", seconds / 60);
  return fmt::format("{:.3g} h", seconds / 3600);
}

std::string Words(const TimePattern& p) {
  const std::string densest =
      fmt::format("{:.0f} % of {} within {:.0f} % of the time, from {} to {}",
                  100 * p.densest_share, p.events, 100 * p.densest_time_share,
                  FormatRfc3339(p.densest.start), FormatRfc3339(p.densest.end));
  switch (p.shape) {
    case TimeShape::kTooFew:
      return fmt::format("{} are too few to tell", p.events);
    case TimeShape::kSteady:
      return fmt::format(
          "{} as even as chance has it: dispersion {:.2g}, p {:.2g}", p.events,
          p.dispersion, p.p_value);
    case TimeShape::kPeriodic:
      return fmt::format("{} peaks, one each {}", p.peaks,
                         Duration(p.period_nanos));
    case TimeShape::kBurst:
      return densest;
    case TimeShape::kUneven:
      break;
  }
  return fmt::format("dispersion {:.2g} where chance has 1; {}", p.dispersion,
                     densest);
}

}  // namespace

std::string_view NameOf(TimeShape shape) {
  switch (shape) {
    case TimeShape::kTooFew:
      return "too_few";
    case TimeShape::kSteady:
      return "steady";
    case TimeShape::kPeriodic:
      return "periodic";
    case TimeShape::kBurst:
      return "burst";
    case TimeShape::kUneven:
      break;
  }
  return "uneven";
}

TimePattern PatternOf(const std::vector<UnixNanos>& times, Window window) {
  TimePattern pattern;
  pattern.densest = window;
  const uint64_t length =
      window.end > window.start ? window.end.ns - window.start.ns : 0;
  const uint64_t stretch = std::max<uint64_t>(length / kStretches, 1);
  Counts counts{};
  for (const UnixNanos time : times) {
    if (time < window.start || time > window.end) continue;
    const uint64_t at = (time.ns - window.start.ns) / stretch;
    ++counts[std::min<uint64_t>(at, kStretches - 1)];
    ++pattern.events;
  }
  if (pattern.events >= kLeastEvents) {
    pattern.dispersion = DispersionOf(counts, pattern.events);
    pattern.p_value = ChanceOf(pattern.dispersion, pattern.events);
    const Range densest = DensestOf(counts, pattern.events);
    const auto time_at = [&](size_t place) {
      return place == kStretches ? window.end
                                 : UnixNanos{window.start.ns + place * stretch};
    };
    pattern.densest = {time_at(densest.begin), time_at(densest.end)};
    pattern.densest_share = static_cast<double>(densest.events) /
                            static_cast<double>(pattern.events);
    pattern.densest_time_share =
        static_cast<double>(densest.end - densest.begin) / kStretches;
    // A peak over two stretches may be low in both; where that is looked for,
    // chance makes peaks as well.
    Peaks peaks = FindPeaks(counts, pattern.events, 2);
    double period = PeriodOf(peaks, pattern.events);
    if (period == 0) {
      peaks = FindPeaks(counts, pattern.events, 1);
      period = PeriodOf(peaks, pattern.events);
    }
    if (pattern.p_value >= kMostP) {
      pattern.shape = TimeShape::kSteady;
    } else if (period > 0) {
      pattern.shape = TimeShape::kPeriodic;
      pattern.peaks = static_cast<uint32_t>(peaks.centres.size());
      pattern.period_nanos =
          static_cast<uint64_t>(period * static_cast<double>(stretch));
    } else if (pattern.densest_share >= kLeastShare &&
               pattern.densest_time_share <= 1.0 / 3) {
      pattern.shape = TimeShape::kBurst;
    } else {
      pattern.shape = TimeShape::kUneven;
    }
  }
  pattern.evidence = Words(pattern);
  return pattern;
}

}  // namespace khtrace::analysis
