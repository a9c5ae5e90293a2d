// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "analysis/trace_report.h"
#include "api/params.h"
#include "api/tracing_answer.h"
#include "api/tracing_paths.h"
#include "api/tracing_routes.h"
#include "base/text.h"
#include "query/find_traces.h"

// GET /api/tracing/traces/{id}/analysis

namespace khtrace::api {
namespace {

using analysis::TraceReport;
using model::RowIndex;
using model::SpanBatch;
using net::HttpResponse;
using wire::JsonWriter;

void PutSpanRef(JsonWriter& w, const SpanBatch& trace, RowIndex row) {
  PutText(w, "span_id", trace.spans().span_id[row].ToHex());
  PutText(w, "service", trace.ServiceName(row));
  PutText(w, "operation", trace.String(trace.spans().name[row]));
}

void PutTotals(JsonWriter& w, const TraceReport& report) {
  PutText(w, "trace_id", report.trace_id.ToHex());
  PutTime(w, "start", report.start);
  PutDuration(w, "duration_ms", report.duration_nanos);
  PutCount(w, "span_count", report.span_count);
  PutCount(w, "service_count", report.service_count);
  PutCount(w, "error_count", report.error_count);
  PutCount(w, "depth", report.depth);
  PutCount(w, "roots", report.roots);
  PutCount(w, "missing_parents", report.missing_parents);
  PutGrade(w, "grade", report.grade);
  PutOptional(w, "category", report.category);
  PutText(w, "speed", report.speed);
}

void PutCriticalPath(JsonWriter& w, const SpanBatch& trace,
                     const TraceReport& report) {
  w.Key("critical_path");
  w.BeginObject();
  if (trace.empty() || report.path.segments.empty()) {
    PutNull(w, "root_span_id");
  } else {
    PutText(w, "root_span_id", trace.spans().span_id[report.path.root].ToHex());
  }
  w.Key("segments");
  w.BeginArray();
  for (const analysis::PathSegment& segment : report.path.segments) {
    w.BeginObject();
    PutSpanRef(w, trace, segment.row);
    PutDuration(w, "offset_ms",
                segment.start.ns - std::min(report.start.ns, segment.start.ns));
    PutDuration(w, "duration_ms", segment.end.ns - segment.start.ns);
    w.EndObject();
  }
  w.EndArray();
  PutShares(w, report.path_shares);
  w.EndObject();
}

void PutSpans(JsonWriter& w, const SpanBatch& trace,
              const TraceReport& report) {
  w.Key("spans");
  w.BeginArray();
  for (const analysis::SpanJudgement& span : report.spans) {
    w.BeginObject();
    PutSpanRef(w, trace, span.row);
    PutDuration(w, "duration_ms", trace.DurationNanos(span.row));
    PutDuration(w, "self_ms", span.self_nanos);
    PutDuration(w, "critical_ms", span.critical_nanos);
    PutOptional(w, "category", span.category);
    PutGrade(w, "grade", span.grade);
    w.EndObject();
  }
  w.EndArray();
}

void PutRepeated(JsonWriter& w, const SpanBatch& trace,
                 const TraceReport& report) {
  w.Key("repeated");
  w.BeginArray();
  for (const analysis::RepeatedGroup& group : report.repeated) {
    w.BeginObject();
    PutText(w, "service", group.service);
    PutText(w, "operation", group.operation);
    PutOptional(w, "statement", group.statement);
    PutText(w, "parent_span_id", trace.spans().span_id[group.parent].ToHex());
    PutCount(w, "count", group.count);
    PutDuration(w, "total_ms", group.total_nanos);
    PutFlag(w, "sequential", group.sequential);
    w.EndObject();
  }
  w.EndArray();
}

void PutErrorOrigins(JsonWriter& w, const SpanBatch& trace,
                     const TraceReport& report) {
  w.Key("error_origins");
  w.BeginArray();
  for (const RowIndex row : report.error_origins) {
    w.BeginObject();
    PutSpanRef(w, trace, row);
    PutOptional(w, "message", trace.String(trace.spans().status_message[row]));
    w.EndObject();
  }
  w.EndArray();
}

Result<HttpResponse> Analysis(TracingCall& call) {
  RETURN_IF_ERROR(CheckParams(call));
  const std::string_view text = call.request.PathParam("id");
  const auto id = model::TraceId::FromHex(text);
  if (!id) {
    return ProblemAnswer(BadParameter{
        "id", fmt::format("trace id '{}' is not 1 to 32 hex digits",
                          SanitizeUtf8(text.substr(0, 100)))});
  }
  auto trace = query::GetTrace(call.site.api.reader, call.context, *id);
  if (!trace && trace.error().code == Code::kNotFound) {
    return NotFoundProblem(
        fmt::format("no span of trace {} is stored", id->ToHex()), {});
  }
  if (!trace) return std::move(trace).error();
  const SpanBatch& spans = **trace;
  const TraceReport report =
      analysis::ReportTrace(spans, call.site.analyzer.options());
  return TracingAnswer(call.request, call.params.now(), [&](JsonWriter& w) {
    PutTotals(w, report);
    PutCriticalPath(w, spans, report);
    PutErrorOrigins(w, spans, report);
    PutRepeated(w, spans, report);
    PutSpans(w, spans, report);
  });
}

constexpr TracingRoute kRoutes[] = {
    {"GET", "/api/tracing/traces/{id}/analysis", {}, Analysis}};

}  // namespace

std::span<const TracingRoute> TraceRoutes() { return kRoutes; }

}  // namespace khtrace::api
