// SPDX-License-Identifier: Apache-2.0
#include "api/tracing_performance.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "api/tracing_answer.h"
#include "api/tracing_report.h"
#include "api/tracing_routes.h"

// GET /api/tracing/performance/…

namespace khtrace::api {
namespace {

using analysis::BottleneckSort;
using analysis::OperationReport;
using net::HttpResponse;
using wire::JsonWriter;

// Bottlenecks that a summary shows.
constexpr size_t kTopBottlenecks = 5;

constexpr std::array<std::pair<std::string_view, BottleneckSort>, 6> kSorts = {
    {{"impact", BottleneckSort::kImpact},
     {"p95", BottleneckSort::kP95},
     {"count", BottleneckSort::kCount},
     {"error_rate", BottleneckSort::kErrorRate},
     {"recoverable", BottleneckSort::kRecoverable},
     {"critical_path_share", BottleneckSort::kCriticalPathShare}}};

Result<HttpResponse> Bottlenecks(TracingCall& call) {
  TracingParams& params = call.params;
  analysis::BottleneckRequest request;
  request.window = params.Window();
  request.threshold = params.Millis("threshold_ms");
  request.service = params.Text("service");
  request.category = params.Text("category");
  request.min_count = params.Count("min_count", 1, 0, 1'000'000'000'000);
  request.sort = params.Choice<BottleneckSort>("sort", kSorts);
  request.offset = params.Offset();
  request.limit = params.Count("limit", 20, 1, 1000);
  RETURN_IF_ERROR(CheckParams(call));
  ASSIGN_OR_RETURN(const analysis::BottleneckList list,
                   call.site.analyzer.Bottlenecks(call.context, request));
  const size_t next = request.offset + list.bottlenecks.size();
  return TracingAnswer(call.request, list.generated_at, [&](JsonWriter& w) {
    PutWindow(w, list.window);
    if (request.threshold) {
      PutMillis(w, "threshold_ms",
                static_cast<double>(request.threshold->count()));
    } else {
      PutNull(w, "threshold_ms");
    }
    PutCount(w, "count", list.bottlenecks.size());
    PutCount(w, "total", list.total);
    PutCursor(w, params.NextOffset(request.window, next, list.total));
    if (list.bottlenecks.empty()) {
      PutText(w, "hint", NoBottleneckHint(call, request));
    }
    w.Key("bottlenecks");
    w.BeginArray();
    for (const auto& bottleneck : list.bottlenecks) {
      WriteBottleneck(w, bottleneck);
    }
    w.EndArray();
  });
}

Result<HttpResponse> Summary(TracingCall& call) {
  const analysis::Window window = call.params.Window();
  RETURN_IF_ERROR(CheckParams(call));
  analysis::Analyzer& analyzer = call.site.analyzer;
  ASSIGN_OR_RETURN(const analysis::SnapshotPtr snapshot,
                   analyzer.Look(call.context, window));
  ASSIGN_OR_RETURN(const auto curves, analyzer.CurvesOf(call.context, window));
  analysis::BottleneckRequest request;
  request.window = window;
  request.limit = kTopBottlenecks;
  ASSIGN_OR_RETURN(const analysis::BottleneckList list,
                   analyzer.Bottlenecks(call.context, request));
  return TracingAnswer(call.request, snapshot->generated_at,
                       [&](JsonWriter& w) {
                         PutWindow(w, snapshot->window);
                         PutOverall(w, call, *snapshot);
                         PutCategories(w, *snapshot, analyzer.options());
                         PutServices(w, *snapshot, nullptr);
                         w.Key("bottlenecks");
                         w.BeginArray();
                         for (const auto& bottleneck : list.bottlenecks) {
                           WriteBottleneck(w, bottleneck);
                         }
                         w.EndArray();
                         PutTrendOfAll(w, *snapshot);
                         PutSeries(w, "series", curves->all);
                       });
}

constexpr std::string_view kSummaryParameters[] = {"window", "start", "end"};
constexpr std::string_view kBottleneckParameters[] = {
    "threshold_ms", "window", "start", "end",    "service",
    "category",     "limit",  "sort",  "cursor", "min_count"};
constexpr TracingRoute kRoutes[] = {
    {"GET", "/api/tracing/performance/summary", kSummaryParameters, Summary},
    {"GET", "/api/tracing/performance/bottlenecks", kBottleneckParameters,
     Bottlenecks}};

}  // namespace

std::span<const TracingRoute> PerformanceRoutes() { return kRoutes; }

}  // namespace khtrace::api
