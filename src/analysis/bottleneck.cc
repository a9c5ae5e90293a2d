// SPDX-License-Identifier: Apache-2.0
#include "analysis/bottleneck.h"

#include <algorithm>

namespace khtrace::analysis {
namespace {

using aggregate::LatencyHistogram;

// Slow calls are many from here on.
constexpr double kFrequentPerMinute = 1;
constexpr double kFrequentShare = 0.05;
// An operation's share of all time on critical paths that concerns everybody.
constexpr double kSystemWideShare = 0.05;

std::optional<double> LimitOf(const OperationReport& report,
                              const BottleneckRequest& request) {
  if (request.threshold) {
    return static_cast<double>(request.threshold->count());
  }
  if (!report.targets) return std::nullopt;
  return static_cast<double>(report.targets->target.count());
}

bool IsAskedFor(const OperationReport& report,
                const BottleneckRequest& request) {
  if (!request.service.empty() && report.service != request.service) {
    return false;
  }
  const std::string_view category =
      report.category.empty() ? std::string_view("none") : report.category;
  if (!request.category.empty() && category != request.category) return false;
  if (report.count < request.min_count) return false;
  const auto limit = LimitOf(report, request);
  return limit && (report.p95 > *limit || *limit == 0);
}

uint64_t CountAbove(const LatencyHistogram& durations, double nanos) {
  uint64_t count = 0;
  for (const LatencyHistogram::Bin& bin : durations.bins()) {
    if (LatencyHistogram::ValueOf(bin.index) > nanos) count += bin.count;
  }
  return count;
}

// Without a target of its own it is measured by what was asked.
Impact ImpactOf(const OperationReport& report,
                const BottleneckRequest& request) {
  Impact impact = report.impact;
  const double limit = LimitOf(report, request).value_or(0);
  if (report.targets || limit <= 0) return impact;
  impact.duration = report.p95 / limit;
  impact.score = impact.duration * impact.frequency * impact.reliability;
  return impact;
}

Bottleneck Make(const OperationReport& report, Window window,
                const BottleneckRequest& request, double greatest_impact) {
  Bottleneck bottleneck;
  bottleneck.operation = report;
  Impact& impact = bottleneck.operation.impact;
  impact = ImpactOf(report, request);
  if (greatest_impact > 0) impact.rank = 100 * impact.score / greatest_impact;
  const double limit = LimitOf(report, request).value_or(0);
  bottleneck.slow_count = CountAbove(report.durations, limit);
  if (report.count > 0) {
    bottleneck.slow_share = static_cast<double>(bottleneck.slow_count) /
                            static_cast<double>(report.count);
  }
  if (report.p95 > limit) bottleneck.flags.push_back("over_target");
  const double minutes = window.Minutes();
  if (minutes > 0 &&
      static_cast<double>(bottleneck.slow_count) / minutes >=
          kFrequentPerMinute &&
      bottleneck.slow_share >= kFrequentShare) {
    bottleneck.flags.push_back("frequent");
  }
  if (report.critical_path_share >= kSystemWideShare) {
    bottleneck.flags.push_back("system_wide");
  }
  return bottleneck;
}

double ValueOf(const OperationReport& report,
               const BottleneckRequest& request) {
  switch (request.sort) {
    case BottleneckSort::kImpact:
      return ImpactOf(report, request).score;
    case BottleneckSort::kP95:
      return report.p95;
    case BottleneckSort::kCount:
      return static_cast<double>(report.count);
    case BottleneckSort::kErrorRate:
      return report.error_rate;
    case BottleneckSort::kRecoverable:
      return report.recoverable_nanos_per_hour;
    case BottleneckSort::kCriticalPathShare:
      return report.critical_path_share;
  }
  return 0;
}

}  // namespace

BottleneckList SelectBottlenecks(const std::vector<OperationReport>& operations,
                                 Window window,
                                 const BottleneckRequest& request) {
  struct Candidate {
    double value;
    const OperationReport* report;
  };
  std::vector<Candidate> candidates;
  double greatest_impact = 0;
  for (const OperationReport& report : operations) {
    if (!IsAskedFor(report, request)) continue;
    candidates.push_back({ValueOf(report, request), &report});
    greatest_impact =
        std::max(greatest_impact, ImpactOf(report, request).score);
  }
  std::stable_sort(
      candidates.begin(), candidates.end(),
      [](const Candidate& a, const Candidate& b) { return a.value > b.value; });
  BottleneckList list;
  list.window = window;
  list.total = candidates.size();
  for (size_t i = request.offset;
       i < candidates.size() && i - request.offset < request.limit; ++i) {
    list.bottlenecks.push_back(
        Make(*candidates[i].report, window, request, greatest_impact));
  }
  return list;
}

}  // namespace khtrace::analysis
