// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <string_view>

#include "aggregate/span_traits.h"
#include "analysis/operation_report.h"
#include "model/span_batch.h"

// Services by the spans with which they are entered, and points over time.

namespace khtrace::analysis {
namespace {

using aggregate::LatencyHistogram;
using aggregate::Partial;
using model::SpanKind;

bool IsEntry(uint8_t kind) {
  return static_cast<SpanKind>(kind) == SpanKind::kServer ||
         static_cast<SpanKind>(kind) == SpanKind::kConsumer;
}

// Of spans.
struct Sums {
  LatencyHistogram durations;
  uint64_t errors = 0;
  double unsampled = 0;

  void Add(const aggregate::RedKey& key, const aggregate::RedCell& cell) {
    durations.Merge(cell.durations);
    if (static_cast<model::StatusCode>(key.status) ==
        model::StatusCode::kError) {
      errors += cell.durations.count();
    }
    unsampled += static_cast<double>(cell.unsampled) /
                 static_cast<double>(aggregate::kSampleUnit);
  }
};

// All spans, and those with which a service is entered.
struct Totals {
  Sums all;
  Sums entries;

  void Add(const aggregate::RedKey& key, const aggregate::RedCell& cell) {
    all.Add(key, cell);
    if (IsEntry(key.kind)) entries.Add(key, cell);
  }
  const Sums& Best() const {
    return entries.durations.count() > 0 ? entries : all;
  }
};

}  // namespace

std::vector<ServiceReport> ReportServices(
    const ReportInput& input, const std::vector<OperationReport>& operations) {
  std::map<std::string_view, Totals> services;
  const Partial& partial = *input.current;
  for (const auto& [key, cell] : partial.red) {
    services[partial.Text(key.service)].Add(key, cell);
  }
  std::map<std::string_view, std::vector<const OperationReport*>> by_service;
  for (const OperationReport& operation : operations) {
    by_service[operation.service].push_back(&operation);
  }
  std::vector<ServiceReport> reports;
  for (const auto& [service, totals] : services) {
    const Sums& sums = totals.Best();
    ServiceReport report;
    report.service = service;
    report.count = sums.durations.count();
    report.errors = sums.errors;
    const auto count = static_cast<double>(report.count);
    if (input.window.Minutes() > 0) {
      report.calls_per_min = (count + sums.unsampled) / input.window.Minutes();
    }
    if (count > 0) {
      report.error_rate = static_cast<double>(report.errors) / count;
    }
    report.p50 = sums.durations.Quantile(0.5);
    report.p95 = sums.durations.Quantile(0.95);
    report.p99 = sums.durations.Quantile(0.99);
    report.operations = std::move(by_service[service]);
    report.grade = RollUp(report.operations);
    reports.push_back(std::move(report));
  }
  return reports;
}

std::vector<TimePoint> SeriesOf(const Partial& series, Window window,
                                uint32_t minutes, std::string_view service,
                                std::string_view operation) {
  std::map<uint32_t, Totals> slots;
  if (window.end.ns > window.start.ns) {
    const uint32_t last = aggregate::BucketOf({window.end.ns - 1}, minutes);
    for (uint32_t m = aggregate::BucketOf(window.start, minutes); m <= last;
         m += minutes) {
      slots[m];
    }
  }
  bool entered = false;
  for (const auto& [key, cell] : series.red) {
    if (!service.empty() && series.Text(key.service) != service) continue;
    if (!operation.empty() && series.Text(key.operation) != operation) continue;
    const auto slot = slots.find(key.minute / minutes * minutes);
    if (slot == slots.end()) continue;
    slot->second.Add(key, cell);
    entered |= operation.empty() && IsEntry(key.kind);
  }
  std::vector<TimePoint> points;
  for (const auto& [minute, totals] : slots) {
    const Sums& sums = entered ? totals.entries : totals.all;
    TimePoint point;
    point.start = {uint64_t{minute} * aggregate::kNanosPerMinute};
    point.count = sums.durations.count();
    point.errors = sums.errors;
    point.p50 = sums.durations.Quantile(0.5);
    point.p95 = sums.durations.Quantile(0.95);
    point.p99 = sums.durations.Quantile(0.99);
    points.push_back(point);
  }
  return points;
}

}  // namespace khtrace::analysis
