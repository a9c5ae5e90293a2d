// SPDX-License-Identifier: Apache-2.0
#include "analysis/explain.h"
#include "api/tracing_answer.h"
#include "api/tracing_routes.h"

// GET and POST /api/tracing/explain: what is different about some spans.

namespace khtrace::api {
namespace {

using net::HttpResponse;
using wire::JsonWriter;

constexpr std::string_view kAll = "{ }";

void WriteDifference(JsonWriter& w, const analysis::Difference& difference) {
  w.BeginObject();
  PutText(w, "attribute", difference.attribute);
  PutText(w, "value", difference.value);
  PutCount(w, "selected", difference.selected);
  PutCount(w, "others", difference.others);
  PutFigure(w, "selected_share", difference.selected_share);
  PutFigure(w, "other_share", difference.other_share);
  PutFigure(w, "effect", difference.effect);
  PutFigure(w, "q_value", difference.q_value);
  w.Key("together");
  w.BeginArray();
  for (const std::string& other : difference.together) w.String(other);
  w.EndArray();
  w.EndObject();
}

void WriteStructural(JsonWriter& w, const analysis::StructuralDifference& d) {
  w.BeginObject();
  PutText(w, "kind", NameOf(d.kind));
  PutText(w, "parent_service", d.parent_service);
  PutText(w, "parent_operation", d.parent_operation);
  PutText(w, "service", d.service);
  PutText(w, "operation", d.operation);
  PutFlag(w, "itself", d.itself);
  PutCount(w, "selected_spans", d.selected_spans);
  PutCount(w, "other_spans", d.other_spans);
  PutCount(w, "selected", d.selected);
  PutCount(w, "others", d.others);
  PutFigure(w, "selected_calls", d.selected_calls);
  PutFigure(w, "other_calls", d.other_calls);
  PutMillis(w, "selected_own_ms", d.selected_own_nanos);
  PutMillis(w, "other_own_ms", d.other_own_nanos);
  PutFigure(w, "effect", d.effect);
  PutFigure(w, "q_value", d.q_value);
  w.Key("together");
  w.BeginArray();
  for (const std::string& other : d.together) w.String(other);
  w.EndArray();
  PutText(w, "text", d.text);
  w.EndObject();
}

Result<HttpResponse> Explain(TracingCall& call) {
  TracingParams& params = call.params;
  const analysis::Window window = params.Window();
  analysis::ExplainRequest request;
  request.selection = params.Text("selection");
  request.baseline = params.Text("baseline");
  if (request.baseline.empty()) request.baseline = kAll;
  request.limit = params.Count("limit", 20, 1, 1000);
  if (request.selection.empty()) {
    params.Fail("selection",
                "selection: missing; a TraceQL filter of the spans to "
                "explain, such as { duration > 1s }");
  }
  RETURN_IF_ERROR(CheckParams(call));
  request.start = window.start;
  request.end = window.end;
  request.helpers = &call.site.api.cpu;
  request.judge = call.site.api.judge;
  ASSIGN_OR_RETURN(const analysis::Explanation explanation,
                   call.site.analyzer.Explain(call.context, request));
  return TracingAnswer(call.request, params.now(), [&](JsonWriter& w) {
    PutWindow(w, window);
    PutText(w, "selection", request.selection);
    PutText(w, "baseline", request.baseline);
    PutCount(w, "selected_spans", explanation.selected);
    PutCount(w, "other_spans", explanation.others);
    PutText(w, "summary", explanation.summary);
    if (explanation.selected == 0) {
      const std::string hint = OutsideHint(call, window);
      PutText(w, "hint", hint.empty() ? "no span fits the selection" : hint);
    }
    PutCount(w, "inspected_spans", explanation.stats.inspected_spans);
    w.Key("differences");
    w.BeginArray();
    for (const auto& difference : explanation.differences) {
      WriteDifference(w, difference);
    }
    w.EndArray();
    PutFlag(w, "structure_complete", explanation.structure_complete);
    w.Key("structure");
    w.BeginArray();
    for (const auto& difference : explanation.structure) {
      WriteStructural(w, difference);
    }
    w.EndArray();
  });
}

constexpr std::string_view kParameters[] = {"selection", "baseline", "window",
                                            "start",     "end",      "limit"};
constexpr TracingRoute kRoutes[] = {
    {"GET", "/api/tracing/explain", kParameters, Explain},
    {"POST", "/api/tracing/explain", kParameters, Explain}};

}  // namespace

std::span<const TracingRoute> ExplainRoutes() { return kRoutes; }

}  // namespace khtrace::api
