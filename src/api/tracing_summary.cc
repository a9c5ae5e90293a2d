// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "api/tracing_answer.h"
#include "api/tracing_performance.h"
#include "api/tracing_report.h"

namespace khtrace::api {
namespace {

using aggregate::LatencyHistogram;
using analysis::OperationReport;
using analysis::Snapshot;
using wire::JsonWriter;

void PutPercentiles(JsonWriter& w, const LatencyHistogram& durations) {
  const bool any = durations.count() > 0;
  static constexpr std::pair<std::string_view, double> kQuantiles[] = {
      {"p50_ms", 0.5}, {"p75_ms", 0.75}, {"p95_ms", 0.95}, {"p99_ms", 0.99}};
  for (const auto& [name, q] : kQuantiles) {
    if (any) {
      PutMillis(w, name, durations.Quantile(q));
    } else {
      PutNull(w, name);
    }
  }
}

// "grade" and why there is none.
void PutRolledUp(JsonWriter& w, std::optional<analysis::Grade> grade,
                 const std::vector<const OperationReport*>& parts) {
  PutGrade(w, "grade", grade);
  if (grade) return PutNull(w, "no_grade_reason");
  const bool target = std::ranges::any_of(
      parts,
      [](const OperationReport* part) { return part->targets.has_value(); });
  PutText(w, "no_grade_reason",
          parts.empty() || target ? "insufficient_data" : "no_target");
}

void WriteCategory(JsonWriter& w, const std::string& name,
                   const std::optional<analysis::Targets>& targets,
                   const std::vector<const OperationReport*>& parts) {
  uint64_t count = 0;
  uint64_t errors = 0;
  double calls_per_min = 0;
  LatencyHistogram durations;
  GradeTally tally;
  for (const OperationReport* part : parts) {
    count += part->count;
    errors += part->errors;
    calls_per_min += part->calls_per_min;
    durations.Merge(part->durations);
    tally.Add(*part);
  }
  w.BeginObject();
  PutOptional(w, "category", name);
  PutCount(w, "operations", parts.size());
  PutCount(w, "count", count);
  PutFigure(w, "calls_per_min", calls_per_min);
  PutCount(w, "errors", errors);
  PutFigure(w, "error_rate",
            count == 0
                ? 0
                : static_cast<double>(errors) / static_cast<double>(count));
  PutPercentiles(w, durations);
  PutTargets(w, targets);
  PutRolledUp(w, analysis::RollUp(parts), parts);
  tally.Put(w);
  w.EndObject();
}

// The worst first; those without a grade last, by their calls.
bool WorseService(const analysis::ServiceReport& a,
                  const analysis::ServiceReport& b) {
  const auto rank = [](const analysis::ServiceReport& service) {
    return service.grade ? static_cast<int>(*service.grade) : -1;
  };
  if (rank(a) != rank(b)) return rank(a) > rank(b);
  if (a.count != b.count) return a.count > b.count;
  return a.service < b.service;
}

void WriteService(JsonWriter& w, const analysis::ServiceReport& service) {
  GradeTally tally;
  for (const OperationReport* part : service.operations) tally.Add(*part);
  PutText(w, "service", service.service);
  PutCount(w, "operations", service.operations.size());
  PutCount(w, "count", service.count);
  PutFigure(w, "calls_per_min", service.calls_per_min);
  PutCount(w, "errors", service.errors);
  PutFigure(w, "error_rate", service.error_rate);
  PutMillis(w, "p50_ms", service.p50);
  PutMillis(w, "p95_ms", service.p95);
  PutMillis(w, "p99_ms", service.p99);
  PutRolledUp(w, service.grade, service.operations);
  tally.Put(w);
}

}  // namespace

void PutOverall(JsonWriter& w, const TracingCall& call,
                const Snapshot& snapshot) {
  GradeTally tally;
  std::vector<const OperationReport*> all;
  for (const OperationReport& report : snapshot.operations) {
    tally.Add(report);
    all.push_back(&report);
  }
  PutCount(w, "spans", snapshot.spans);
  PutRolledUp(w, snapshot.grade, all);
  tally.Put(w);
  const std::string hint = EmptyHint(call, snapshot.window, snapshot.spans);
  if (!hint.empty()) PutText(w, "hint", hint);
}

void PutCategories(JsonWriter& w, const Snapshot& snapshot,
                   const analysis::AnalysisOptions& options) {
  std::map<std::string, std::vector<const OperationReport*>> parts;
  for (const OperationReport& report : snapshot.operations) {
    parts[report.category].push_back(&report);
  }
  w.Key("categories");
  w.BeginArray();
  for (const analysis::Category& category : options.categories) {
    WriteCategory(w, category.name, category.targets, parts[category.name]);
  }
  if (!parts[""].empty()) WriteCategory(w, "", std::nullopt, parts[""]);
  w.EndArray();
}

void PutServices(
    JsonWriter& w, const Snapshot& snapshot,
    const std::map<std::string, std::vector<analysis::TimePoint>>* series) {
  std::vector<const analysis::ServiceReport*> services;
  for (const auto& service : snapshot.services) services.push_back(&service);
  std::ranges::sort(services, [](const auto* a, const auto* b) {
    return WorseService(*a, *b);
  });
  // Services with a curve; the page shows no more rows at once.
  constexpr size_t kMaxSeries = 50;
  size_t written = 0;
  w.Key("services");
  w.BeginArray();
  for (const analysis::ServiceReport* service : services) {
    w.BeginObject();
    WriteService(w, *service);
    if (series != nullptr && written++ < kMaxSeries) {
      const auto points = series->find(service->service);
      if (points != series->end()) PutSeries(w, "series", points->second);
    }
    w.EndObject();
  }
  w.EndArray();
}

void PutTrendOfAll(JsonWriter& w, const Snapshot& snapshot) {
  using analysis::TrendDirection;
  w.Key("trend");
  w.BeginObject();
  for (const auto direction :
       {TrendDirection::kSlower, TrendDirection::kFaster, TrendDirection::kSame,
        TrendDirection::kNew, TrendDirection::kUnknown}) {
    PutCount(w, analysis::TrendName(direction),
             static_cast<uint64_t>(std::ranges::count(
                 snapshot.operations, direction,
                 [](const OperationReport& r) { return r.trend.direction; })));
  }
  w.EndObject();
}

std::string NoBottleneckHint(const TracingCall& call,
                             const analysis::BottleneckRequest& request) {
  const auto snapshot = call.site.analyzer.Look(call.context, request.window);
  if (!snapshot) return "";
  const std::string empty =
      EmptyHint(call, (*snapshot)->window, (*snapshot)->spans);
  if (!empty.empty()) return empty;
  if (request.offset > 0) return "nothing is behind this page";
  return fmt::format(
      "none of the {} operations in the window fits: {}; threshold_ms=0 lists "
      "all{}",
      (*snapshot)->operations.size(),
      request.threshold ? "none has a p95 above threshold_ms"
                        : "none has a p95 above the target of its category",
      request.service.empty() && request.category.empty()
          ? ""
          : " that service and category leave");
}

}  // namespace khtrace::api
