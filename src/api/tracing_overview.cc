// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "alerting/engine.h"
#include "analysis/operation_report.h"
#include "api/tracing_alerts_json.h"
#include "api/tracing_answer.h"
#include "api/tracing_errors.h"
#include "api/tracing_performance.h"
#include "api/tracing_report.h"
#include "api/tracing_routes.h"

// GET /api/tracing/overview: is anything wrong, and where first? All that a
// front page shows, in one answer.

namespace khtrace::api {
namespace {

using analysis::Snapshot;
using net::HttpResponse;
using wire::JsonWriter;

constexpr size_t kTop = 5;

bool IsBad(std::optional<analysis::Grade> grade) {
  return grade && *grade >= analysis::Grade::kD;
}

// How the services fare.
std::string InWords(const std::vector<analysis::ServiceReport>& services) {
  std::vector<std::string> bad;
  size_t graded = 0;
  for (const auto& service : services) {
    if (service.grade) ++graded;
    if (IsBad(service.grade)) bad.push_back(service.service);
  }
  const std::string count = fmt::format("{} service{}", services.size(),
                                        services.size() == 1 ? "" : "s");
  if (graded == 0)
    return "No service has enough calls for a grade, of " + count;
  if (bad.size() == 1) return fmt::format("{} is graded D or worse", bad[0]);
  if (bad.size() > 1) {
    return fmt::format("{} of {} are graded D or worse", bad.size(), count);
  }
  if (graded == services.size()) return count + " graded, all C or better";
  return fmt::format("{} of {} graded, all C or better", graded, count);
}

// One line for somebody who has no time.
std::string InOneLine(const Snapshot& snapshot,
                      const std::vector<analysis::Bottleneck>& top,
                      size_t new_errors) {
  if (snapshot.spans == 0) return "Nothing to tell: no span in the window.";
  std::string text = InWords(snapshot.services);
  if (!top.empty()) {
    const auto& first = top.front().operation;
    text +=
        fmt::format("; look at {} of {} first", first.operation, first.service);
    if (first.grade && !first.reason.empty()) {
      text += fmt::format(": {}", first.reason);
    }
  }
  if (new_errors > 0) {
    text += fmt::format("; {} new error {}", new_errors,
                        new_errors == 1 ? "pattern" : "patterns");
  }
  return text + ".";
}

void PutTotals(JsonWriter& w, const Snapshot& snapshot,
               const analysis::Curves& curves) {
  uint64_t count = 0;
  uint64_t errors = 0;
  double calls_per_min = 0;
  for (const auto& service : snapshot.services) {
    count += service.count;
    errors += service.errors;
    calls_per_min += service.calls_per_min;
  }
  w.Key("health");
  w.BeginObject();
  PutCount(w, "services", snapshot.services.size());
  PutCount(w, "operations", snapshot.operations.size());
  PutCount(w, "count", count);
  PutFigure(w, "calls_per_min", calls_per_min);
  PutCount(w, "errors", errors);
  PutFigure(w, "error_rate",
            count == 0
                ? 0
                : static_cast<double>(errors) / static_cast<double>(count));
  PutFigure(w, "spans_per_min",
            static_cast<double>(snapshot.spans) / snapshot.window.Minutes());
  PutSeries(w, "series", curves.all);
  w.EndObject();
}

void PutComponents(JsonWriter& w, const TracingCall& call) {
  w.Key("components");
  w.BeginArray();
  for (const auto& component : call.site.health.Snapshot()) {
    w.BeginObject();
    PutText(w, "name", component.component);
    PutFlag(w, "ok", component.ok);
    PutText(w, "reason", component.reason);
    w.EndObject();
  }
  w.EndArray();
}

// "alerts": those that are active, as /api/tracing/alerts/active has them.
void PutAlerts(JsonWriter& w, const TracingCall& call) {
  w.Key("alerts");
  w.BeginArray();
  if (const alerting::Engine* engine = call.site.deployment.alerting) {
    for (const auto& active : engine->Active(call.context.tenant)) {
      WriteActiveAlert(active, engine->options().base_url, &w);
    }
  }
  w.EndArray();
}

Result<HttpResponse> Overview(TracingCall& call) {
  const analysis::Window window = call.params.Window();
  RETURN_IF_ERROR(CheckParams(call));
  analysis::Analyzer& analyzer = call.site.analyzer;
  ASSIGN_OR_RETURN(const analysis::SnapshotPtr snapshot,
                   analyzer.Look(call.context, window));
  analysis::BottleneckRequest request;
  request.window = window;
  request.limit = kTop;
  ASSIGN_OR_RETURN(const analysis::BottleneckList list,
                   analyzer.Bottlenecks(call.context, request));
  ASSIGN_OR_RETURN(const auto errors, analyzer.Errors(call.context, window));
  ASSIGN_OR_RETURN(const auto curves, analyzer.CurvesOf(call.context, window));
  const size_t all_patterns = errors->size();
  const auto new_patterns = static_cast<size_t>(
      std::ranges::count(*errors, true, &analysis::ErrorPattern::is_new));
  // New ones first; they are in order of count.
  analysis::ErrorPatterns patterns;
  for (const bool is_new : {true, false}) {
    for (const analysis::ErrorPattern& pattern : *errors) {
      if (patterns.size() == kTop) break;
      if (pattern.is_new == is_new) patterns.push_back(pattern);
    }
  }
  return TracingAnswer(
      call.request, snapshot->generated_at, [&](JsonWriter& w) {
        PutWindow(w, snapshot->window);
        PutText(w, "summary",
                InOneLine(*snapshot, list.bottlenecks, new_patterns));
        PutOverall(w, call, *snapshot);
        PutTotals(w, *snapshot, *curves);
        PutServices(w, *snapshot, &curves->services);
        PutCategories(w, *snapshot, analyzer.options());
        PutTrendOfAll(w, *snapshot);
        w.Key("bottlenecks");
        w.BeginArray();
        for (const auto& one : list.bottlenecks) WriteBottleneck(w, one);
        w.EndArray();
        PutCount(w, "bottleneck_total", list.total);
        PutPatterns(w, patterns);
        PutCount(w, "error_pattern_total", all_patterns);
        PutCount(w, "error_pattern_new", new_patterns);
        PutAlerts(w, call);
        PutComponents(w, call);
      });
}

constexpr std::string_view kParameters[] = {"window", "start", "end"};
constexpr TracingRoute kRoutes[] = {
    {"GET", "/api/tracing/overview", kParameters, Overview}};

}  // namespace

std::span<const TracingRoute> OverviewRoutes() { return kRoutes; }

}  // namespace khtrace::api
