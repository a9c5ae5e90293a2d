// SPDX-License-Identifier: Apache-2.0
#include "analysis/operation_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include "aggregate/span_traits.h"
#include "analysis/category_rules.h"
#include "base/text.h"

namespace khtrace::analysis {
namespace {

using aggregate::LatencyHistogram;
using aggregate::Partial;
using aggregate::RedCell;
using aggregate::RedKey;
using model::SpanKind;

constexpr size_t kSlowestKept = 5;
constexpr size_t kTypicalKept = 10;
constexpr double kNanosPerHour = 3600e9;

// What the rows of one operation come to.
struct Sums {
  const Category* category = nullptr;
  RuleSubject subject;
  LatencyHistogram durations;
  LatencyHistogram failed;
  double unsampled = 0;
  std::map<SpanKind, uint64_t> kinds;
  std::vector<Example> slowest;
  std::vector<aggregate::Sampled> sampled;
};

using OperationKey = std::tuple<std::string_view, std::string_view,
                                const Category*>;  // service, operation
using Operations = std::map<OperationKey, Sums>;

void Add(const RedKey& key, const RedCell& cell, Sums* sums) {
  const auto kind = static_cast<SpanKind>(key.kind);
  sums->durations.Merge(cell.durations);
  if (static_cast<model::StatusCode>(key.status) == model::StatusCode::kError) {
    sums->failed.Merge(cell.durations);
  }
  sums->unsampled += static_cast<double>(cell.unsampled) /
                     static_cast<double>(aggregate::kSampleUnit);
  sums->kinds[kind] += cell.durations.count();
  if (!cell.slowest.empty()) {
    sums->slowest.push_back({cell.slowest.trace_id, cell.slowest.duration});
  }
  if (!cell.sampled.empty()) sums->sampled.push_back(cell.sampled);
}

Operations SumUp(const Partial& partial, const AnalysisOptions& options) {
  using CategoryKey = std::tuple<uint32_t, uint32_t, uint8_t, aggregate::Trait>;
  std::map<CategoryKey, const Category*> categories;
  Operations operations;
  for (const auto& [key, cell] : partial.red) {
    RuleSubject subject;
    subject.service = partial.Text(key.service);
    subject.operation = partial.Text(key.operation);
    subject.kind = static_cast<SpanKind>(key.kind);
    subject.trait = key.trait;
    const auto [category, added] = categories.try_emplace(
        {key.service.value, key.operation.value, key.kind, key.trait});
    if (added) category->second = FindCategory(options, subject);
    Sums& sums =
        operations[{subject.service, subject.operation, category->second}];
    sums.category = category->second;
    sums.subject = subject;
    Add(key, cell, &sums);
  }
  return operations;
}

void SetFigures(const Sums& sums, Window window, OperationReport* report) {
  const LatencyHistogram& durations = sums.durations;
  report->count = durations.count();
  const auto count = static_cast<double>(report->count);
  report->estimated_count = count + sums.unsampled;
  // As if all had been sampled alike: each stands for w, with a variance of
  // w (w - 1).
  const double stands_for = count > 0 ? report->estimated_count / count : 1;
  report->estimated_count_error =
      1.96 * std::sqrt(count * stands_for * (stands_for - 1));
  if (window.Minutes() > 0) {
    report->calls_per_min = report->estimated_count / window.Minutes();
  }
  report->errors = sums.failed.count();
  if (count > 0) {
    report->error_rate = static_cast<double>(report->errors) / count;
    report->avg = static_cast<double>(durations.sum()) / count;
  }
  report->p50 = durations.Quantile(0.5);
  report->p75 = durations.Quantile(0.75);
  report->p95 = durations.Quantile(0.95);
  report->p99 = durations.Quantile(0.99);
  report->p95_interval = QuantileInterval(durations, 0.95);
  report->error_p50 = sums.failed.Quantile(0.5);
  report->durations = durations;
}

void SetExamples(Sums sums, OperationReport* report) {
  const auto distinct = [](std::vector<Example>* examples, size_t most) {
    std::vector<Example> kept;
    for (const Example& example : *examples) {
      const bool known = std::any_of(
          kept.begin(), kept.end(),
          [&](const Example& k) { return k.trace_id == example.trace_id; });
      if (!known) kept.push_back(example);
      if (kept.size() == most) break;
    }
    *examples = std::move(kept);
  };
  std::sort(sums.slowest.begin(), sums.slowest.end(),
            [](const Example& a, const Example& b) {
              return a.duration_nanos != b.duration_nanos
                         ? a.duration_nanos > b.duration_nanos
                         : a.trace_id < b.trace_id;
            });
  distinct(&sums.slowest, kSlowestKept);
  report->slowest = std::move(sums.slowest);
  std::sort(sums.sampled.begin(), sums.sampled.end(),
            [](const auto& a, const auto& b) { return a.Before(b); });
  for (const aggregate::Sampled& sampled : sums.sampled) {
    report->typical.push_back({sampled.trace_id, sampled.duration});
  }
  distinct(&report->typical, kTypicalKept);
}

void SetGrade(const Sums& sums, const AnalysisOptions& options,
              OperationReport* report) {
  report->targets = FindTargets(options, sums.subject, sums.category);
  if (!report->targets) {
    report->no_grade = "no_target";
    return;
  }
  const Targets& targets = *report->targets;
  const auto target = static_cast<double>(targets.target.count());
  report->over_target = std::max(0.0, report->p95 - target);
  if (report->count < options.min_samples) {
    report->no_grade = "insufficient_data";
    return;
  }
  const auto p95 = static_cast<uint64_t>(report->p95);
  report->latency_grade = GradeOf(p95, targets);
  report->grade =
      CapByErrors(*report->latency_grade, report->error_rate, options);
  report->grade_confidence =
      GradeConfidence(report->durations, *report->latency_grade, targets);
  report->alert_level = AlertLevelOf(p95, targets);
}

void SetImpact(const ImpactWeights& weights, OperationReport* report) {
  Impact& impact = report->impact;
  impact.frequency = std::log2(1 + report->calls_per_min);
  impact.reliability = 1 + 9 * report->error_rate;
  if (!report->targets) return;
  impact.duration =
      report->p95 / static_cast<double>(report->targets->target.count());
  impact.score = std::pow(impact.duration, weights.duration) *
                 std::pow(impact.frequency, weights.frequency) *
                 std::pow(impact.reliability, weights.reliability);
}

// The part of all time of its calls that lies above the target.
double ExcessShare(const OperationReport& report) {
  if (!report.targets) return 0;
  const auto target = static_cast<double>(report.targets->target.count());
  double excess = 0;
  double all = 0;
  for (const LatencyHistogram::Bin& bin : report.durations.bins()) {
    const double value = LatencyHistogram::ValueOf(bin.index);
    const auto count = static_cast<double>(bin.count);
    all += value * count;
    excess += std::max(0.0, value - target) * count;
  }
  return all > 0 ? excess / all : 0;
}

// Times on critical paths by operation, which know of no categories: where an
// operation has several they are divided as its time is.
class PathTimes {
 public:
  explicit PathTimes(const Partial& partial) {
    for (const auto& [key, cell] : partial.critical) {
      const Name root{partial.Text(key.root_service),
                      partial.Text(key.root_operation)};
      const Name name{partial.Text(key.service), partial.Text(key.operation)};
      Total& total = totals_[name];
      total.nanos += cell.nanos;
      total.traces += cell.traces;
      all_ += cell.nanos;
      below_[root][name] += cell.nanos;
    }
  }

  // `share`: of the name's time that belongs to this operation.
  void Set(double share, Window window, OperationReport* report) const {
    const auto total = totals_.find({report->service, report->operation});
    if (total == totals_.end()) return;
    const double nanos = static_cast<double>(total->second.nanos) * share;
    report->critical_nanos = static_cast<uint64_t>(nanos);
    report->critical_traces = total->second.traces;
    if (all_ > 0) {
      report->critical_path_share = nanos / static_cast<double>(all_);
    }
    const double hours =
        static_cast<double>(window.end.ns - window.start.ns) / kNanosPerHour;
    if (hours > 0) {
      report->recoverable_nanos_per_hour = nanos * ExcessShare(*report) / hours;
    }
  }

  // Where traces that begin with the operation spend most, and what share of
  // them: of another operation's time. "" if it is no root.
  std::pair<std::string_view, double> MostBelow(
      const OperationReport& report) const {
    const auto root = below_.find({report.service, report.operation});
    if (root == below_.end()) return {};
    uint64_t all = 0;
    std::pair<std::string_view, uint64_t> most{};
    for (const auto& [name, nanos] : root->second) {
      all += nanos;
      if (name == root->first || nanos <= most.second) continue;
      most = {name.second, nanos};
    }
    if (all == 0) return {};
    return {most.first,
            static_cast<double>(most.second) / static_cast<double>(all)};
  }

 private:
  using Name = std::pair<std::string_view, std::string_view>;
  struct Total {
    uint64_t nanos = 0;
    uint64_t traces = 0;
  };
  std::map<Name, Total> totals_;
  std::map<Name, std::map<Name, uint64_t>> below_;
  uint64_t all_ = 0;
};

std::string ShortDuration(double nanos) {
  return FormatDurationShort(
      std::chrono::nanoseconds(static_cast<int64_t>(nanos)));
}

std::string ReasonOf(const OperationReport& report, const PathTimes& paths,
                     uint64_t min_samples) {
  if (report.no_grade == "no_target") {
    return "no target: no category's rule fits it";
  }
  const auto target = static_cast<double>(report.targets->target.count());
  if (report.no_grade == "insufficient_data") {
    return fmt::format("{} of the {} calls that a grade needs", report.count,
                       min_samples);
  }
  std::string reason;
  if (report.p95 > target) {
    reason = fmt::format("p95 {} is {:.1f}× the {} target",
                         ShortDuration(report.p95), report.p95 / target,
                         ShortDuration(target));
  } else {
    reason = fmt::format("p95 {} is within the {} target",
                         ShortDuration(report.p95), ShortDuration(target));
  }
  const auto [where, share] = paths.MostBelow(report);
  if (share >= 0.2) {
    reason += fmt::format("; {:.0f} % of it in {}", share * 100, where);
  }
  if (report.grade != report.latency_grade) {
    reason += fmt::format("; {:.1f} % of the calls fail, which caps the grade",
                          report.error_rate * 100);
  }
  return reason;
}

Trend TrendOf(const OperationReport& report, const Sums* before,
              uint64_t min_samples) {
  Trend trend;
  if (before == nullptr || before->durations.count() == 0) {
    if (before == nullptr) trend.direction = TrendDirection::kNew;
    return trend;
  }
  trend.previous_count = before->durations.count();
  trend.previous_p95 = before->durations.Quantile(0.95);
  if (trend.previous_p95 > 0) {
    trend.change = report.p95 / trend.previous_p95 - 1;
  }
  if (trend.previous_count < min_samples || report.count < min_samples) {
    return trend;
  }
  const Interval was = QuantileInterval(before->durations, 0.95);
  trend.direction = TrendDirection::kSame;
  if (report.p95_interval.low > was.high) {
    trend.direction = TrendDirection::kSlower;
  } else if (report.p95_interval.high < was.low) {
    trend.direction = TrendDirection::kFaster;
  }
  return trend;
}

OperationReport ReportOne(const Sums& sums, Window window,
                          const AnalysisOptions& options) {
  OperationReport report;
  report.service = sums.subject.service;
  report.operation = sums.subject.operation;
  if (sums.category != nullptr) report.category = sums.category->name;
  const auto kind = std::max_element(
      sums.kinds.begin(), sums.kinds.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; });
  report.kind = KindName(kind->first);
  SetFigures(sums, window, &report);
  SetExamples(sums, &report);
  SetGrade(sums, options, &report);
  SetImpact(options.weights, &report);
  return report;
}

void Rank(std::vector<OperationReport>* reports) {
  std::sort(reports->begin(), reports->end(),
            [](const OperationReport& a, const OperationReport& b) {
              const auto key = [](const OperationReport& r) {
                return std::tuple(!r.targets.has_value(), -r.impact.score,
                                  -static_cast<double>(r.durations.sum()),
                                  std::string_view(r.service),
                                  std::string_view(r.operation),
                                  std::string_view(r.category));
              };
              return key(a) < key(b);
            });
  if (reports->empty() || !(reports->front().impact.score > 0)) return;
  const double greatest = reports->front().impact.score;
  for (OperationReport& report : *reports) {
    report.impact.rank = 100 * report.impact.score / greatest;
  }
}

}  // namespace

std::string_view TrendName(TrendDirection direction) {
  constexpr std::string_view kNames[] = {"unknown", "new", "same", "slower",
                                         "faster"};
  return kNames[static_cast<size_t>(direction)];
}

std::vector<OperationReport> ReportOperations(const ReportInput& input) {
  const AnalysisOptions& options = *input.options;
  const Operations operations = SumUp(*input.current, options);
  Operations previous;
  if (input.previous != nullptr) previous = SumUp(*input.previous, options);
  std::map<std::pair<std::string_view, std::string_view>, double> times;
  for (const auto& [key, sums] : operations) {
    times[{std::get<0>(key), std::get<1>(key)}] +=
        static_cast<double>(sums.durations.sum());
  }
  const PathTimes paths(*input.current);
  const bool own_window = input.path_window.end > input.path_window.start;
  const Window path_window = own_window ? input.path_window : input.window;
  std::vector<OperationReport> reports;
  reports.reserve(operations.size());
  for (const auto& [key, sums] : operations) {
    OperationReport report = ReportOne(sums, input.window, options);
    const double all = times[{std::get<0>(key), std::get<1>(key)}];
    const auto own = static_cast<double>(sums.durations.sum());
    paths.Set(all > 0 ? own / all : 1, path_window, &report);
    if (input.previous != nullptr) {
      const auto before = previous.find(key);
      report.trend =
          TrendOf(report, before == previous.end() ? nullptr : &before->second,
                  options.min_samples);
    }
    report.reason = ReasonOf(report, paths, options.min_samples);
    reports.push_back(std::move(report));
  }
  Rank(&reports);
  return reports;
}

std::optional<Grade> RollUp(const std::vector<const OperationReport*>& parts) {
  double weights = 0;
  double points = 0;
  double plain = 0;
  size_t graded = 0;
  for (const OperationReport* part : parts) {
    if (!part->grade) continue;
    const double value = 4 - static_cast<double>(*part->grade);
    weights += part->impact.score;
    points += value * part->impact.score;
    plain += value;
    ++graded;
  }
  if (graded == 0) return std::nullopt;
  const double mean =
      weights > 0 ? points / weights : plain / static_cast<double>(graded);
  return static_cast<Grade>(4 - std::lround(mean));
}

}  // namespace khtrace::analysis
