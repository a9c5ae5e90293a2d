// SPDX-License-Identifier: Apache-2.0
#include "api/traceql_explain.h"

#include <string>
#include <string_view>
#include <utility>

#include "api/tempo_common.h"
#include "api/tracing_handler.h"
#include "query/metrics.h"
#include "query/search.h"
#include "wire/json_writer.h"

namespace khtrace::api {
namespace {

using query::Explanation;
using query::PlanNode;
using wire::JsonWriter;

constexpr std::string_view kParameters[] = {"q",   "window", "start",
                                            "end", "limit",  "analyze"};

struct ExplainParams {
  traceql::Query query;
  UnixNanos start;
  UnixNanos end;
  size_t limit = 20;
  bool analyze = false;
};

Result<ExplainParams> ReadParams(const ApiContext& api, TracingParams& params) {
  ExplainParams out;
  const analysis::Window window = params.Window();
  out.start = window.start;
  out.end = window.end;
  out.limit =
      params.Count("limit", 20, 1, static_cast<size_t>(api.options.max_traces));
  out.analyze = params.Flag("analyze");
  const std::string text = params.Text("q");
  if (text.empty()) {
    params.Fail("q", "q: missing; the TraceQL query to explain");
  }
  RETURN_IF_ERROR(params.status());
  auto query = ParseTempoQuery(text);
  if (!query) return std::move(query).error().With("q");
  out.query = *std::move(query);
  return out;
}

Result<Explanation> Explain(const ApiContext& api,
                            const RequestContext& context,
                            const ExplainParams& params) {
  if (params.query.is_metrics()) {
    query::MetricsRequest request;
    request.query = &params.query;
    request.start = params.start;
    request.end = params.end;
    request.helpers = &api.cpu;
    request.judge = api.judge;
    // Not the cache: it would hide what the operators do.
    return query::ExplainMetrics(api.reader, context, request, params.analyze);
  }
  query::SearchRequest request;
  request.query = &params.query;
  request.start = params.start;
  request.end = params.end;
  request.limit = params.limit;
  request.max_bytes = api.options.max_answer_bytes;
  request.helpers = &api.cpu;
  request.judge = api.judge;
  return query::ExplainSearch(api.reader, context, request, params.analyze);
}

void WriteCount(std::string_view key, uint64_t value, JsonWriter* w) {
  w->Key(key);
  w->Uint(value);
}

void WriteNode(const PlanNode& node, JsonWriter* w) {
  w->BeginObject();
  w->Key("op");
  w->String(node.op);
  w->Key("text");
  w->String(node.text);
  if (node.counts) {
    w->Key("counts");
    w->BeginObject();
    WriteCount("units", node.counts->units, w);
    WriteCount("pruned", node.counts->pruned, w);
    WriteCount("rowsIn", node.counts->rows_in, w);
    WriteCount("rowsOut", node.counts->rows_out, w);
    WriteCount("nanos", node.counts->nanos, w);
    w->EndObject();
  }
  if (node.bytes) WriteCount("bytes", *node.bytes, w);
  if (!node.children.empty()) {
    w->Key("children");
    w->BeginArray();
    for (const PlanNode& child : node.children) WriteNode(child, w);
    w->EndArray();
  }
  w->EndObject();
}

void WriteAnalysis(const Explanation::Analysis& analysis, JsonWriter* w) {
  w->BeginObject();
  WriteCount("results", analysis.results, w);
  WriteCount("nanos", analysis.nanos, w);
  WriteCount("threads", analysis.threads, w);
  WriteCount("units", analysis.stats.units, w);
  WriteCount("unitsVisited", analysis.stats.units_done, w);
  WriteCount("unitsCached", analysis.stats.units_cached, w);
  WriteCount("unitsLost", analysis.stats.units_lost, w);
  WriteCount("splitTraces", analysis.scan.split_traces, w);
  WriteCount("inspectedTraces", analysis.stats.inspected_traces, w);
  WriteCount("inspectedSpans", analysis.stats.inspected_spans, w);
  WriteCount("inspectedBytes", analysis.stats.inspected_bytes, w);
  w->EndObject();
}

}  // namespace

std::string ExplanationJson(const Explanation& explanation) {
  std::string json;
  JsonWriter w(&json);
  w.BeginObject();
  w.Key("query");
  w.String(explanation.query);
  w.Key("logical");
  WriteNode(explanation.logical, &w);
  w.Key("physical");
  WriteNode(explanation.physical, &w);
  if (explanation.analysis) {
    w.Key("analysis");
    WriteAnalysis(*explanation.analysis, &w);
  }
  w.Key("text");
  w.String(query::ToText(explanation));
  w.EndObject();
  return json;
}

void RegisterTraceqlExplain(net::HttpRouter& router, const ApiContext& api) {
  router.Add("GET", "/api/tracing/traceql/explain",
             TracingHandlerFor(
                 api, {.parameters = kParameters},
                 [&api](const RequestContext& context, const net::HttpRequest&,
                        TracingParams& given) -> Result<net::HttpResponse> {
                   ASSIGN_OR_RETURN(const ExplainParams params,
                                    ReadParams(api, given));
                   ASSIGN_OR_RETURN(const Explanation explanation,
                                    Explain(api, context, params));
                   return net::JsonResponse(200, ExplanationJson(explanation));
                 }));
}

}  // namespace khtrace::api
