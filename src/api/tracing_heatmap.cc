// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "analysis/version_changes.h"
#include "api/tracing_answer.h"
#include "api/tracing_routes.h"
#include "base/text.h"
#include "query/metrics.h"
#include "traceql/checker.h"
#include "traceql/parser.h"
#include "traceql/printer.h"

// GET /api/tracing/heatmap: spans by time and duration; and
// /api/tracing/changes: what was deployed meanwhile.

namespace khtrace::api {
namespace {

using net::HttpResponse;
using wire::JsonWriter;

// A query that selects spans, counted by powers of two of their durations.
Result<traceql::Query> HeatmapQuery(const std::string& text) {
  ASSIGN_OR_RETURN(const traceql::Query given, traceql::ParseQuery(text));
  RETURN_IF_ERROR(traceql::CheckQuery(given));
  if (given.is_metrics()) {
    return Error{Code::kInvalidArgument, "a metrics query selects no spans"};
  }
  ASSIGN_OR_RETURN(
      traceql::Query query,
      traceql::ParseQuery(fmt::format(
          "{} | histogram_over_time(duration)",
          traceql::Print(std::get<traceql::Pipeline>(given.root)))));
  RETURN_IF_ERROR(traceql::CheckQuery(query));
  return query;
}

// Seconds of a bucket's upper edge; negative if the series is of none.
double EdgeOf(const query::Series& series) {
  for (const query::Label& label : series.labels) {
    const auto* edge = std::get_if<double>(&label.value.value);
    if (label.key == "__bucket" && edge != nullptr) return *edge;
  }
  return -1;
}

// By the upper edge in seconds: spans of each interval.
using Rows = std::map<double, std::vector<uint64_t>>;

Rows RowsOf(const query::MetricsResult& result, uint64_t* total) {
  Rows rows;
  for (const query::Series& series : result.series) {
    const double edge = EdgeOf(series);
    if (edge < 0) continue;
    std::vector<uint64_t>& counts = rows[edge];
    counts.resize(series.values.size());
    for (size_t i = 0; i < series.values.size(); ++i) {
      if (std::isnan(series.values[i])) continue;
      counts[i] = static_cast<uint64_t>(series.values[i]);
      *total += counts[i];
    }
  }
  return rows;
}

void PutRows(JsonWriter& w, const Rows& rows) {
  w.Key("buckets");
  w.BeginArray();
  for (const auto& [edge, counts] : rows) {
    w.BeginObject();
    PutMillis(w, "above_ms", edge / 2 * 1e9);
    PutMillis(w, "to_ms", edge * 1e9);
    w.Key("counts");
    w.BeginArray();
    for (const uint64_t count : counts) w.Uint(count);
    w.EndArray();
    w.EndObject();
  }
  w.EndArray();
}

Result<HttpResponse> Heatmap(TracingCall& call) {
  TracingParams& params = call.params;
  const analysis::Window window = params.Window();
  const size_t bins = params.Count("bins", 60, 2, 500);
  std::string text = params.Text("q");
  if (text.empty()) text = "{ }";
  RETURN_IF_ERROR(CheckParams(call));
  auto query = HeatmapQuery(text);
  if (!query) return std::move(query).error().With("q");
  query::MetricsRequest request;
  request.query = &*query;
  request.start = window.start;
  request.end = window.end;
  request.step_nanos =
      std::max<uint64_t>((window.end.ns - window.start.ns) / bins, 1);
  request.max_exemplars = 0;
  request.max_series = 0;
  request.helpers = &call.site.api.cpu;
  request.judge = call.site.api.judge;
  ASSIGN_OR_RETURN(
      const query::MetricsResult result,
      query::RunMetrics(call.site.api.reader, call.context, request));
  uint64_t total = 0;
  const Rows rows = RowsOf(result, &total);
  return TracingAnswer(call.request, params.now(), [&](JsonWriter& w) {
    PutWindow(w, window);
    PutText(w, "query", text);
    PutCount(w, "spans", total);
    PutCount(w, "inspected_spans", result.stats.inspected_spans);
    if (total == 0) {
      const std::string hint = OutsideHint(call, window);
      PutText(w, "hint", hint.empty() ? "no span fits" : hint);
    }
    PutMillis(w, "step_ms", static_cast<double>(result.axis.step_ns));
    w.Key("times");
    w.BeginArray();
    for (size_t i = 0; i < result.axis.intervals; ++i) {
      const auto end = static_cast<uint64_t>(result.axis.TimestampMs(i));
      w.String(FormatRfc3339(UnixNanos{end * 1'000'000}));
    }
    w.EndArray();
    PutRows(w, rows);
  });
}

Result<HttpResponse> Changes(TracingCall& call) {
  const analysis::Window window = call.params.Window();
  RETURN_IF_ERROR(CheckParams(call));
  ASSIGN_OR_RETURN(
      const analysis::VersionChanges found,
      analysis::FindVersionChanges(call.site.api.reader, call.context, window,
                                   &call.site.api.cpu));
  return TracingAnswer(call.request, call.params.now(), [&](JsonWriter& w) {
    PutWindow(w, window);
    PutFlag(w, "complete", found.complete);
    PutCount(w, "inspected_spans", found.inspected_spans);
    if (found.changes.empty()) {
      const std::string hint = OutsideHint(call, window);
      PutText(w, "hint",
              hint.empty() ? "no service has a service.version in the window "
                             "that it did not have before"
                           : hint);
    }
    w.Key("changes");
    w.BeginArray();
    for (const analysis::VersionChange& change : found.changes) {
      w.BeginObject();
      PutText(w, "service", change.service);
      PutText(w, "version", change.version);
      PutTime(w, "first_seen", change.first_seen);
      PutText(w, "example_trace_id", change.example.ToHex());
      w.EndObject();
    }
    w.EndArray();
  });
}

constexpr std::string_view kHeatmapParameters[] = {"q", "bins", "window",
                                                   "start", "end"};
constexpr std::string_view kChangesParameters[] = {"window", "start", "end"};
constexpr TracingRoute kRoutes[] = {
    {"GET", "/api/tracing/heatmap", kHeatmapParameters, Heatmap},
    {"GET", "/api/tracing/changes", kChangesParameters, Changes}};

}  // namespace

std::span<const TracingRoute> HeatmapRoutes() { return kRoutes; }

}  // namespace khtrace::api
