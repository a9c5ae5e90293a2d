// SPDX-License-Identifier: Apache-2.0
#include "analysis/trace_report.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "aggregate/error_text.h"
#include "analysis/category_rules.h"
#include "analysis/linked_trace.h"

namespace khtrace::analysis {
namespace {

using aggregate::kNoRow;

constexpr uint64_t kFastNanos = 200'000'000;  // design: the user's classes
constexpr uint64_t kMediumNanos = 1'000'000'000;
constexpr uint32_t kLeastRepeats = 3;

std::string_view SpeedOf(uint64_t nanos) {
  if (nanos < kFastNanos) return "fast";
  return nanos < kMediumNanos ? "medium" : "slow";
}

// Rows are in order of start, but a clock may put a child before its parent.
uint32_t DepthOf(const LinkedTrace& trace) {
  std::vector<uint32_t> depths(trace.size());
  std::vector<uint32_t> chain;
  uint32_t deepest = 0;
  for (uint32_t i = 0; i < trace.size(); ++i) {
    uint32_t at = i;
    while (at != kNoRow && depths[at] == 0) {
      chain.push_back(at);
      at = trace.parent(at);
    }
    uint32_t depth = at == kNoRow ? 0 : depths[at];
    for (; !chain.empty(); chain.pop_back()) depths[chain.back()] = ++depth;
    deepest = std::max(deepest, depths[i]);
  }
  return deepest;
}

// Category and grade.
void JudgeSpan(const LinkedTrace& trace, uint32_t i,
               const AnalysisOptions& options, std::string* category_name,
               std::optional<Grade>* grade) {
  RuleSubject subject;
  subject.service = trace.service(i);
  subject.operation = trace.name(i);
  subject.kind = trace.kind(i);
  subject.trait = trace.trait(i);
  const Category* category = FindCategory(options, subject);
  if (category != nullptr) *category_name = category->name;
  const auto targets = FindTargets(options, subject, category);
  if (targets) *grade = GradeOf(trace.duration(i), *targets);
  // A failed operation is no better than the error rate of all allows.
  if (*grade && trace.failed(i)) *grade = Grade::kF;
}

void JudgeSpans(LinkedTrace& trace, const AnalysisOptions& options,
                TraceReport* report) {
  const std::vector<uint64_t> child_times = trace.ChildTimes();
  std::vector<uint64_t> critical(trace.batch().row_count());
  for (const PathSegment& segment : report->path.segments) {
    critical[segment.row] += segment.end.ns - segment.start.ns;
  }
  report->spans.resize(trace.size());
  for (uint32_t i = 0; i < trace.size(); ++i) {
    SpanJudgement& span = report->spans[i];
    span.row = trace.row(i);
    JudgeSpan(trace, i, options, &span.category, &span.grade);
    span.self_nanos =
        trace.duration(i) - std::min(child_times[i], trace.duration(i));
    span.critical_nanos = critical[span.row];
    if (i != trace.root()) continue;
    report->grade = span.grade;
    report->category = span.category;
  }
  std::sort(report->spans.begin(), report->spans.end(),
            [](const SpanJudgement& a, const SpanJudgement& b) {
              return a.row < b.row;
            });
}

void FindRepeated(const LinkedTrace& trace, TraceReport* report) {
  using Key = std::tuple<uint32_t, std::string_view, std::string_view,
                         std::string>;  // parent, service, name, statement
  std::map<Key, std::vector<uint32_t>> groups;
  for (uint32_t i = 0; i < trace.size(); ++i) {
    if (trace.is_root(i)) continue;
    groups[{trace.parent(i), trace.service(i), trace.name(i),
            aggregate::NormaliseMessage(
                trace.Text(i, {"db.query.text", "db.statement"}))}]
        .push_back(i);
  }
  for (const auto& [key, members] : groups) {
    if (members.size() < kLeastRepeats) continue;
    RepeatedGroup group;
    group.service = std::get<1>(key);
    group.operation = std::get<2>(key);
    group.statement = std::get<3>(key);
    group.parent = trace.row(std::get<0>(key));
    group.count = static_cast<uint32_t>(members.size());
    group.sequential = true;
    for (size_t n = 0; n < members.size(); ++n) {
      group.total_nanos += trace.duration(members[n]);
      if (n > 0 && trace.start(members[n]) < trace.end(members[n - 1])) {
        group.sequential = false;
      }
    }
    report->repeated.push_back(std::move(group));
  }
  std::stable_sort(report->repeated.begin(), report->repeated.end(),
                   [](const RepeatedGroup& a, const RepeatedGroup& b) {
                     return a.total_nanos > b.total_nanos;
                   });
}

}  // namespace

TraceReport ReportTrace(const model::SpanBatch& batch,
                        const AnalysisOptions& options) {
  TraceReport report;
  LinkedTrace trace(batch);
  report.span_count = trace.size();
  if (trace.size() == 0) return report;
  report.trace_id = batch.spans().trace_id[0];
  report.start = {trace.start(0)};
  std::set<std::string_view> services;
  uint64_t end = 0;
  for (uint32_t i = 0; i < trace.size(); ++i) {
    end = std::max(end, trace.end(i));
    services.insert(trace.service(i));
    report.error_count += trace.failed(i);
    report.missing_parents += trace.lost_parent(i);
    report.roots += trace.is_root(i) && !trace.lost_parent(i);
  }
  report.duration_nanos = end - report.start.ns;
  report.service_count = static_cast<uint32_t>(services.size());
  report.depth = DepthOf(trace);
  report.speed = SpeedOf(report.duration_nanos);
  report.path = trace.Path();
  report.path_shares = SharesOf(batch, report.path);
  JudgeSpans(trace, options, &report);
  FindRepeated(trace, &report);
  const std::vector<uint8_t> failed_below = trace.FailedBelow();
  for (uint32_t i = 0; i < trace.size(); ++i) {
    if (trace.failed(i) && failed_below[i] == 0) {
      report.error_origins.push_back(trace.row(i));
    }
  }
  return report;
}

TraceRow DescribeTrace(const model::SpanBatch& batch,
                       const AnalysisOptions& options) {
  TraceRow row;
  LinkedTrace trace(batch);
  if (trace.root() == kNoRow) return row;
  JudgeSpan(trace, trace.root(), options, &row.category, &row.grade);
  std::map<std::string_view, uint64_t> nanos;
  uint64_t all = 0;
  for (const PathSegment& segment : trace.Path().segments) {
    const uint64_t length = segment.end.ns - segment.start.ns;
    nanos[batch.ServiceName(segment.row)] += length;
    all += length;
  }
  for (const auto& [service, own] : nanos) {
    row.path.push_back({std::string(service), own,
                        static_cast<double>(own) / static_cast<double>(all)});
  }
  std::stable_sort(row.path.begin(), row.path.end(),
                   [](const ServiceShare& a, const ServiceShare& b) {
                     return a.nanos > b.nanos;
                   });
  return row;
}

}  // namespace khtrace::analysis
