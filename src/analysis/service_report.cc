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
  void Merge(const Sums& from) {
    durations.Merge(from.durations);
    errors += from.errors;
    unsampled += from.unsampled;
  }
};

// The spans with which a service is entered, and its others.
struct Totals {
  Sums entries;
  Sums others;

  void Add(const aggregate::RedKey& key, const aggregate::RedCell& cell) {
    (IsEntry(key.kind) ? entries : others).Add(key, cell);
  }
  bool IsEntered() const { return entries.durations.count() > 0; }
  void Merge(const Totals& from) {
    entries.Merge(from.entries);
    others.Merge(from.others);
  }
  Sums All() const {
    Sums all = entries;
    all.Merge(others);
    return all;
  }
};

// By the first minute of each bucket.
using Slots = std::map<uint32_t, Totals>;

Slots EmptySlots(Window window, uint32_t minutes) {
  Slots slots;
  if (window.end.ns <= window.start.ns) return slots;
  const uint32_t last = aggregate::BucketOf({window.end.ns - 1}, minutes);
  for (uint32_t m = aggregate::BucketOf(window.start, minutes); m <= last;
       m += minutes) {
    slots[m];
  }
  return slots;
}

bool IsEntered(const Slots& slots) {
  return std::any_of(slots.begin(), slots.end(),
                     [](const auto& slot) { return slot.second.IsEntered(); });
}

std::vector<TimePoint> PointsOf(const Slots& slots, bool only_entries) {
  std::vector<TimePoint> points;
  for (const auto& [minute, totals] : slots) {
    const Sums sums = only_entries ? totals.entries : totals.All();
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
    const Sums sums = totals.IsEntered() ? totals.entries : totals.All();
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
  Slots slots = EmptySlots(window, minutes);
  for (const auto& [key, cell] : series.red) {
    if (!service.empty() && series.Text(key.service) != service) continue;
    if (!operation.empty() && series.Text(key.operation) != operation) continue;
    const auto slot = slots.find(key.minute / minutes * minutes);
    if (slot != slots.end()) slot->second.Add(key, cell);
  }
  return PointsOf(slots, operation.empty() && IsEntered(slots));
}

Curves CurvesOf(const Partial& series, Window window, uint32_t minutes) {
  std::map<std::string_view, Slots> services;
  for (const auto& [key, cell] : series.red) {
    const auto [at, is_new] = services.try_emplace(series.Text(key.service));
    if (is_new) at->second = EmptySlots(window, minutes);
    const auto slot = at->second.find(key.minute / minutes * minutes);
    if (slot != at->second.end()) slot->second.Add(key, cell);
  }
  Curves curves;
  Slots all = EmptySlots(window, minutes);
  for (const auto& [service, slots] : services) {
    for (const auto& [minute, totals] : slots) all[minute].Merge(totals);
    curves.services[std::string(service)] = PointsOf(slots, IsEntered(slots));
  }
  curves.all = PointsOf(all, IsEntered(all));
  return curves;
}

}  // namespace khtrace::analysis
