// SPDX-License-Identifier: Apache-2.0
#include "query/trace_diff_summary.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

namespace khtrace::query {
namespace {

using Side = TraceDiffSummary::Side;
using Service = TraceDiffSummary::Service;
using Span = DiffTrace::Span;
using model::StatusCode;

// Of the sum of a service's durations: less is no change.
constexpr int64_t kLeastChange = 1'000'000;
constexpr int64_t kLeastShare = 20;  // a 20th

std::string NameOf(const Span& span) {
  return span.service.empty() ? "<unknown>" : std::string(span.service);
}

bool IsError(const Span& span) { return span.status == StatusCode::kError; }

Side SideOf(const DiffTrace& trace) {
  Side side;
  uint64_t first = UINT64_MAX;
  uint64_t last = 0;
  for (const Span& span : trace.spans()) {
    side.errors += IsError(span) ? 1 : 0;
    if (!span.duration) continue;
    const uint64_t start = trace.batch().spans().start[span.row].ns;
    first = std::min(first, start);
    last = std::max(last, start + *span.duration);
    side.sum += *span.duration;
  }
  if (last > first) side.duration = last - first;
  if (!trace.spans().empty()) {
    side.root_service = trace.spans().front().service;
    side.root_name = trace.spans().front().name;
  }
  return side;
}

// How often each operation stands below each operation, by service; whatever
// the order of siblings.
using Operation = std::tuple<std::string, std::string, model::SpanKind>;
using Structure =
    std::map<std::string,
             std::map<std::tuple<Operation, bool, Operation>, size_t>>;

Structure StructureOf(const DiffTrace& trace) {
  const auto operation = [](const Span& span) {
    return Operation(span.service, span.name, span.kind);
  };
  Structure structure;
  for (const Span& span : trace.spans()) {
    const bool root = span.parent == DiffTrace::kNone;
    ++structure[NameOf(span)]
               [{operation(span), root,
                 root ? Operation() : operation(trace.spans()[span.parent])}];
  }
  return structure;
}

std::set<std::string> Restructured(const Structure& base,
                                   const Structure& compare) {
  std::set<std::string> services;
  for (const auto& [service, rows] : base) {
    const auto other = compare.find(service);
    if (other == compare.end() || other->second != rows) {
      services.insert(service);
    }
  }
  for (const auto& [service, rows] : compare) {
    if (!base.contains(service)) services.insert(service);
  }
  return services;
}

struct Sums {
  int64_t base = 0;
  int64_t change = 0;

  bool significant() const {
    const int64_t size = std::abs(change);
    return size >= kLeastChange &&
           size >= base / kLeastShare + (base % kLeastShare != 0 ? 1 : 0);
  }
};

std::map<std::string, Sums> SumsOf(const DiffTrace& base,
                                   const DiffTrace& compare) {
  std::map<std::string, Sums> sums;
  for (const Span& span : base.spans()) {
    const auto duration = static_cast<int64_t>(span.duration.value_or(0));
    Sums& of = sums[NameOf(span)];
    of.base += duration;
    of.change -= duration;
  }
  for (const Span& span : compare.spans()) {
    sums[NameOf(span)].change +=
        static_cast<int64_t>(span.duration.value_or(0));
  }
  return sums;
}

// What matching says of each service.
std::map<std::string, Service> CountsOf(const DiffTrace& base,
                                        const DiffTrace& compare,
                                        const TraceDiff& diff) {
  std::map<std::string, Service> counts;
  for (const ModifiedSpan& change : diff.modified) {
    const Span& before = base.spans()[change.base];
    const Span& after = compare.spans()[change.compare];
    Service& of = counts[NameOf(after)];
    ++of.modified;
    of.new_errors += IsError(after) && !IsError(before) ? 1 : 0;
    of.resolved_errors += IsError(before) && !IsError(after) ? 1 : 0;
  }
  for (const uint32_t added : diff.added) {
    const Span& span = compare.spans()[added];
    Service& of = counts[NameOf(span)];
    ++of.added;
    of.new_errors += IsError(span) ? 1 : 0;
  }
  for (const uint32_t removed : diff.removed) {
    const Span& span = base.spans()[removed];
    Service& of = counts[NameOf(span)];
    ++of.removed;
    of.resolved_errors += IsError(span) ? 1 : 0;
  }
  return counts;
}

// Differences below a millisecond do not decide about the order.
bool Before(const Service& a, const Service& b) {
  const int64_t x = std::abs(a.sum_change) / 1'000'000;
  const int64_t y = std::abs(b.sum_change) / 1'000'000;
  if (x != y) return x > y;
  if (a.new_errors != b.new_errors) return a.new_errors > b.new_errors;
  return a.name < b.name;
}

double Share(size_t matched, size_t spans) {
  return spans == 0 ? 0
                    : static_cast<double>(matched) / static_cast<double>(spans);
}

}  // namespace

TraceDiffSummary Summarize(const DiffTrace& base, const DiffTrace& compare,
                           const TraceDiff& diff) {
  TraceDiffSummary summary;
  summary.base = SideOf(base);
  summary.compare = SideOf(compare);
  std::set<std::string> changed =
      Restructured(StructureOf(base), StructureOf(compare));
  summary.structure_changed =
      !changed.empty() || !diff.added.empty() || !diff.removed.empty();
  std::map<std::string, Service> services = CountsOf(base, compare, diff);
  for (const auto& [name, sums] : SumsOf(base, compare)) {
    const auto known = services.find(name);
    if (known == services.end() && !sums.significant()) continue;
    services[name].sum_change = sums.change;
  }
  for (auto& [name, service] : services) {
    changed.insert(name);
    service.name = name;
    summary.services.push_back(std::move(service));
  }
  std::sort(summary.services.begin(), summary.services.end(), Before);
  summary.changed_services.assign(changed.begin(), changed.end());
  const auto [fewer, more] =
      std::minmax({base.spans().size(), compare.spans().size()});
  if (more > 0) {
    summary.of_larger = Share(diff.matched, more);
    summary.of_smaller = Share(diff.matched, fewer);
  }
  return summary;
}

}  // namespace khtrace::query
