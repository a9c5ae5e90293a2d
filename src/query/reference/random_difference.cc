// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "query/reference/random_query.h"

namespace khtrace::query::reference {
namespace {

// Sums in another order round otherwise.
constexpr double kRounding = 1e-9;

bool Near(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) == std::isnan(b);
  if (a == b) return true;
  return std::abs(a - b) <= kRounding * std::max(std::abs(a), std::abs(b));
}

std::string Shown(const std::vector<Label>& labels) {
  std::string out;
  for (const Label& label : labels) {
    out += fmt::format("{}={} ", label.key, traceql::ToString(label.value));
  }
  return out;
}

std::string Shown(const std::vector<NamedValue>& values) {
  std::string out;
  for (const NamedValue& value : values) {
    out += fmt::format(" {}={}", value.key, traceql::ToString(value.value));
  }
  return out;
}

std::string Shown(const TraceHit& hit) {
  std::string out = fmt::format(
      "{} root {} '{}' '{}' {}+{}", hit.trace_id.ToHex(), hit.has_root,
      hit.root_service, hit.root_name, hit.start.ns, hit.duration_nanos);
  for (const ServiceStats& stats : hit.services) {
    out += fmt::format(" '{}'={}/{}", stats.service, stats.span_count,
                       stats.error_count);
  }
  for (const Spanset& set : hit.spansets) {
    out += fmt::format("\n  {}:{}", set.matched, Shown(set.values));
    for (const SpanHit& span : set.spans) {
      out +=
          fmt::format("\n    {} '{}' {}+{}{}", span.span_id.ToHex(), span.name,
                      span.start.ns, span.duration_nanos, Shown(span.values));
    }
  }
  return out;
}

// "" if the exemplars could be those of the series.
std::string BadExemplar(const Series& series) {
  std::vector<size_t> counts(series.values.size(), 0);
  for (const Exemplar& exemplar : series.exemplars) {
    const bool labelled = exemplar.labels.size() > series.labels.size() &&
                          std::equal(series.labels.begin(), series.labels.end(),
                                     exemplar.labels.begin());
    if (!labelled) return "an exemplar has other labels";
    if (exemplar.interval >= counts.size() ||
        std::isnan(series.values[exemplar.interval])) {
      return "an exemplar has no sample";
    }
    if (++counts[exemplar.interval] > 2) return "an interval has 3 exemplars";
  }
  return "";
}

std::string Difference(const Series& expected, const Series& actual) {
  const std::string labels = Shown(expected.labels);
  const std::string came = Shown(actual.labels);
  if (labels != came) return fmt::format("series {}, came {}", labels, came);
  if (expected.values.size() != actual.values.size()) {
    return fmt::format("series {}: {} samples, came {}", labels,
                       expected.values.size(), actual.values.size());
  }
  for (size_t i = 0; i < expected.values.size(); ++i) {
    if (Near(expected.values[i], actual.values[i])) continue;
    return fmt::format("series {} interval {}: {}, came {}", labels, i,
                       expected.values[i], actual.values[i]);
  }
  const std::string bad = BadExemplar(actual);
  return bad.empty() ? "" : fmt::format("series {}: {}", labels, bad);
}

}  // namespace

std::string Difference(const SearchResult& expected,
                       const SearchResult& actual) {
  const size_t common = std::min(expected.traces.size(), actual.traces.size());
  for (size_t i = 0; i < common; ++i) {
    const std::string wanted = Shown(expected.traces[i]);
    const std::string came = Shown(actual.traces[i]);
    if (wanted != came) return fmt::format("trace {}\n came {}", wanted, came);
  }
  if (expected.traces.size() != actual.traces.size()) {
    return fmt::format("{} traces, came {}", expected.traces.size(),
                       actual.traces.size());
  }
  const auto total = [](const std::optional<uint64_t>& n) {
    return n ? fmt::format("{}", *n) : std::string("none");
  };
  const auto totals = [&](const SearchResult& result) {
    return fmt::format("{} traces of {} spans", total(result.total_traces),
                       total(result.total_spans));
  };
  const std::string wanted = totals(expected);
  const std::string came = totals(actual);
  if (wanted == came) return "";
  return fmt::format("in total {}, came {}", wanted, came);
}

std::string Difference(const MetricsResult& expected,
                       const MetricsResult& actual) {
  const auto axis = [](const TimeAxis& a) {
    return std::tuple(a.start_ns, a.step_ns, a.intervals, a.end_ns);
  };
  if (axis(expected.axis) != axis(actual.axis)) return "other intervals";
  const size_t common = std::min(expected.series.size(), actual.series.size());
  for (size_t i = 0; i < common; ++i) {
    std::string difference = Difference(expected.series[i], actual.series[i]);
    if (!difference.empty()) return difference;
  }
  if (expected.series.size() != actual.series.size()) {
    return fmt::format("{} series, came {}", expected.series.size(),
                       actual.series.size());
  }
  if (expected.partial == actual.partial &&
      expected.message == actual.message) {
    return "";
  }
  return fmt::format("message '{}', came '{}'", expected.message,
                     actual.message);
}

}  // namespace khtrace::query::reference
