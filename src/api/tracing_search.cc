// SPDX-License-Identifier: Apache-2.0
#include "api/tracing_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "analysis/trace_report.h"
#include "api/tempo_search.h"
#include "api/tracing_answer.h"
#include "api/tracing_routes.h"
#include "base/text.h"
#include "query/find_traces.h"
#include "query/search.h"
#include "traceql/checker.h"
#include "traceql/order_by.h"
#include "traceql/parser.h"
#include "traceql/printer.h"

// GET /api/tracing/traces/search

namespace khtrace::api {
namespace {

using net::HttpResponse;
using traceql::OrderBy;
using wire::JsonWriter;

constexpr std::array<std::pair<std::string_view, OrderBy::Key>, 4> kSorts = {
    {{"newest", OrderBy::Key::kStart},
     {"duration", OrderBy::Key::kDuration},
     {"spans", OrderBy::Key::kSpanCount},
     {"errors", OrderBy::Key::kErrorCount}}};
constexpr std::array<std::pair<std::string_view, bool>, 2> kOrders = {
    {{"desc", true}, {"asc", false}}};
// Spans that are told of each trace.
constexpr size_t kSpansShown = 3;

std::string ConditionsOf(const TraceFilter& filter) {
  std::vector<std::string> all;
  const auto text = [](const std::string& value) {
    return traceql::ToString(traceql::Static(value));
  };
  const auto duration = [&all](std::string_view what, std::string_view op,
                               const auto& bound) {
    if (!bound) return;
    all.push_back(fmt::format("{} {} {}", what, op,
                              traceql::ToString(traceql::Static(*bound))));
  };
  if (!filter.service.empty()) {
    all.push_back(
        fmt::format("resource.service.name = {}", text(filter.service)));
  }
  if (!filter.operation.empty()) {
    all.push_back(fmt::format("name = {}", text(filter.operation)));
  }
  if (!filter.status.empty()) {
    all.push_back(fmt::format("status = {}", filter.status));
  }
  for (const auto& [key, value] : filter.tags) {
    all.push_back(TagToTraceQl(key, value));
  }
  duration("duration", ">=", filter.min_span_duration);
  duration("duration", "<=", filter.max_span_duration);
  duration("traceDuration", ">=", filter.min_duration);
  duration("traceDuration", "<=", filter.max_duration);
  return fmt::format("{}", fmt::join(all, " && "));
}

TraceFilter ReadFilter(TracingParams& params) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4>
      kStatuses = {
          {{"", ""}, {"ok", "ok"}, {"error", "error"}, {"unset", "unset"}}};
  TraceFilter filter;
  filter.service = params.Text("service");
  filter.operation = params.Text("operation");
  filter.status = params.Choice<std::string_view>("status", kStatuses);
  for (const std::string_view tag : params.All("tag")) {
    const size_t colon = tag.find(':');
    if (colon == 0 || colon == std::string_view::npos) {
      params.Fail("tag",
                  fmt::format("tag: '{}' is not key:value", SanitizeUtf8(tag)));
      continue;
    }
    filter.tags.emplace_back(tag.substr(0, colon), tag.substr(colon + 1));
  }
  filter.min_duration = params.Millis("min_duration_ms");
  filter.max_duration = params.Millis("max_duration_ms");
  filter.min_span_duration = params.Millis("min_span_duration_ms");
  filter.max_span_duration = params.Millis("max_span_duration_ms");
  if (filter.min_duration && filter.max_duration &&
      *filter.max_duration < *filter.min_duration) {
    params.Fail("max_duration_ms", "max_duration_ms: below min_duration_ms");
  }
  filter.traceql = params.Text("q");
  return filter;
}

uint64_t SpansOf(const query::TraceHit& hit) {
  uint64_t spans = 0;
  for (const query::ServiceStats& service : hit.services) {
    spans += service.span_count;
  }
  return spans;
}

void PutServiceCounts(JsonWriter& w, const query::TraceHit& hit) {
  uint64_t errors = 0;
  for (const query::ServiceStats& service : hit.services) {
    errors += service.error_count;
  }
  PutCount(w, "span_count", SpansOf(hit));
  PutCount(w, "error_count", errors);
  PutCount(w, "service_count", hit.services.size());
  w.Key("services");
  w.BeginArray();
  for (const query::ServiceStats& service : hit.services) {
    w.BeginObject();
    PutText(w, "service", service.service);
    PutCount(w, "span_count", service.span_count);
    PutCount(w, "error_count", service.error_count);
    w.EndObject();
  }
  w.EndArray();
}

void PutMatches(JsonWriter& w, const query::TraceHit& hit) {
  uint64_t matched = 0;
  for (const query::Spanset& set : hit.spansets) matched += set.matched;
  PutCount(w, "matched_spans", matched);
  w.Key("spans");
  w.BeginArray();
  for (const query::Spanset& set : hit.spansets) {
    for (const query::SpanHit& span : set.spans) {
      w.BeginObject();
      PutText(w, "span_id", span.span_id.ToHex());
      PutText(w, "operation", span.name);
      PutTime(w, "start", span.start);
      PutDuration(w, "duration_ms", span.duration_nanos);
      w.EndObject();
    }
  }
  w.EndArray();
}

// As a trace's own analysis says it.
std::string_view SpeedOf(uint64_t nanos) {
  if (nanos < 200'000'000) return "fast";
  return nanos < 1'000'000'000 ? "medium" : "slow";
}

// Traces are read for this: so many of a page, and so many spans together,
// some 0.2 s at most. Of the rest it is not told.
constexpr size_t kDescribed = 100;
constexpr uint64_t kDescribedSpans = 100'000;

using Rows = std::vector<std::optional<analysis::TraceRow>>;

Result<Rows> Describe(const TracingCall& call,
                      const std::vector<query::TraceHit>& hits) {
  Rows rows(hits.size());
  uint64_t spans = 0;
  for (size_t i = 0; i < hits.size() && i < kDescribed; ++i) {
    RETURN_IF_ERROR(call.context.Check());
    const query::TraceHit& hit = hits[i];
    const uint64_t own = SpansOf(hit);
    if (spans + own > kDescribedSpans) continue;
    spans += own;
    const uint64_t end = hit.start.ns + hit.duration_nanos;
    const storage::TimeHint hint{hit.start, {std::max(hit.start.ns, end)}};
    const auto trace =
        query::GetTrace(call.site.api.reader, call.context, hit.trace_id, hint);
    // Retention may have taken it since, or it is damaged.
    if (!trace) continue;
    rows[i] = analysis::DescribeTrace(**trace, call.site.analyzer.options());
  }
  return rows;
}

void PutRow(JsonWriter& w, const std::optional<analysis::TraceRow>& row) {
  PutGrade(w, "grade", row ? row->grade : std::nullopt);
  PutOptional(w, "category", row ? row->category : "");
  if (!row) return PutNull(w, "path");
  w.Key("path");
  w.BeginArray();
  for (const analysis::ServiceShare& share : row->path) {
    w.BeginObject();
    PutText(w, "service", share.service);
    PutDuration(w, "path_ms", share.nanos);
    PutFigure(w, "share", share.share);
    w.EndObject();
  }
  w.EndArray();
}

void WriteHit(JsonWriter& w, const query::TraceHit& hit,
              const std::optional<analysis::TraceRow>& row) {
  w.BeginObject();
  PutText(w, "trace_id", hit.trace_id.ToHex());
  PutOptional(w, "root_service", hit.root_service);
  PutOptional(w, "root_operation", hit.root_name);
  PutTime(w, "start", hit.start);
  PutDuration(w, "duration_ms", hit.duration_nanos);
  PutText(w, "speed", SpeedOf(hit.duration_nanos));
  PutRow(w, row);
  PutServiceCounts(w, hit);
  PutMatches(w, hit);
  w.EndObject();
}

std::string HintFor(const TracingCall& call, const analysis::Window& window,
                    const query::SearchResult& found) {
  if (!found.traces.empty()) return "";
  if (!call.params.Position().empty()) return "nothing is behind this page";
  const std::string empty = OutsideHint(call, window);
  return empty.empty() ? "no trace fits; fewer conditions or a longer window "
                         "find more"
                       : empty;
}

Result<HttpResponse> Search(TracingCall& call) {
  TracingParams& params = call.params;
  const analysis::Window window = params.Window();
  const TraceFilter filter = ReadFilter(params);
  query::SearchRequest request;
  request.limit = params.Count(
      "limit", 20, 1, static_cast<size_t>(call.site.api.options.max_traces));
  OrderBy order;
  order.key = params.Choice<OrderBy::Key>("sort", kSorts);
  order.descending = params.Choice<bool>("order", kOrders);
  RETURN_IF_ERROR(CheckParams(call));
  auto query = ToTraceQl(filter);
  if (!query) return std::move(query).error().With("q");
  request.query = &*query;
  request.start = window.start;
  request.end = window.end;
  if (order != OrderBy()) request.order = order;
  request.after = params.Position();
  request.spans_per_spanset = kSpansShown;
  request.max_bytes = call.site.api.options.max_answer_bytes;
  request.helpers = &call.site.api.cpu;
  request.judge = call.site.api.judge;
  ASSIGN_OR_RETURN(const query::SearchResult found,
                   query::Search(call.site.api.reader, call.context, request));
  ASSIGN_OR_RETURN(const Rows rows, Describe(call, found.traces));
  return TracingAnswer(call.request, params.now(), [&](JsonWriter& w) {
    PutText(w, "query", traceql::Print(*query));
    PutCount(w, "count", found.traces.size());
    PutCursor(w,
              found.next.empty() ? "" : params.NextCursor(window, found.next));
    PutFlag(w, "truncated", found.truncated);
    PutCount(w, "inspected_spans", found.stats.inspected_spans);
    const std::string hint = HintFor(call, window, found);
    if (!hint.empty()) PutText(w, "hint", hint);
    w.Key("traces");
    w.BeginArray();
    for (size_t i = 0; i < found.traces.size(); ++i) {
      WriteHit(w, found.traces[i], rows[i]);
    }
    w.EndArray();
  });
}

constexpr std::string_view kParameters[] = {"min_duration_ms",
                                            "max_duration_ms",
                                            "min_span_duration_ms",
                                            "max_span_duration_ms",
                                            "service",
                                            "operation",
                                            "status",
                                            "tag",
                                            "q",
                                            "window",
                                            "start",
                                            "end",
                                            "limit",
                                            "cursor",
                                            "sort",
                                            "order"};
constexpr TracingRoute kRoutes[] = {
    {"GET", "/api/tracing/traces/search", kParameters, Search}};

}  // namespace

Result<traceql::Query> ToTraceQl(const TraceFilter& filter) {
  std::vector<traceql::Hint> hints;
  std::string text = fmt::format("{{ {} }}", ConditionsOf(filter));
  if (!filter.traceql.empty()) {
    ASSIGN_OR_RETURN(const traceql::Query given,
                     traceql::ParseQuery(filter.traceql));
    RETURN_IF_ERROR(traceql::CheckQuery(given));
    if (given.is_metrics()) {
      return Error{Code::kInvalidArgument,
                   "a metrics query has no traces; port 3200 answers it at "
                   "/api/metrics/query_range"};
    }
    hints = given.hints;
    const std::string spans =
        traceql::Print(std::get<traceql::Pipeline>(given.root));
    text = text == "{  }" ? spans : fmt::format("{} | {}", spans, text);
  }
  ASSIGN_OR_RETURN(traceql::Query query, traceql::ParseQuery(text));
  query.hints = std::move(hints);
  RETURN_IF_ERROR(traceql::CheckQuery(query));
  return query;
}

std::span<const TracingRoute> SearchRoutes() { return kRoutes; }

}  // namespace khtrace::api
