// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/dependency_graph.h"
#include "api/tracing_answer.h"
#include "api/tracing_routes.h"
#include "base/text.h"

// GET /api/tracing/dependencies: who calls whom.

namespace khtrace::api {
namespace {

using analysis::DependencyEdge;
using analysis::DependencyGraph;
using analysis::DependencyNode;
using net::HttpResponse;
using wire::JsonWriter;

enum class Format { kJson, kDot, kMermaid };
constexpr std::array<std::pair<std::string_view, Format>, 3> kFormats = {
    {{"json", Format::kJson},
     {"dot", Format::kDot},
     {"mermaid", Format::kMermaid}}};

void WriteNode(JsonWriter& w, const DependencyNode& node) {
  w.BeginObject();
  PutText(w, "id", node.id);
  PutText(w, "name", node.name);
  PutText(w, "type", node.type);
  PutOptional(w, "address", node.address);
  PutCount(w, "calls", node.calls);
  PutFigure(w, "calls_per_min", node.calls_per_min);
  PutFigure(w, "error_rate", node.error_rate);
  PutGrade(w, "grade", node.grade);
  w.EndObject();
}

// One side of an edge; null if it told nothing.
void PutSide(JsonWriter& w, std::string_view key, uint64_t errors, double p50,
             double p95, double p99) {
  if (p50 == 0 && p95 == 0 && p99 == 0) return PutNull(w, key);
  w.Key(key);
  w.BeginObject();
  PutCount(w, "errors", errors);
  PutMillis(w, "p50_ms", p50);
  PutMillis(w, "p95_ms", p95);
  PutMillis(w, "p99_ms", p99);
  w.EndObject();
}

void WriteRetry(JsonWriter& w, const analysis::RetryPattern& retry) {
  w.BeginObject();
  PutText(w, "operation", retry.operation);
  PutCount(w, "calls", retry.calls);
  PutCount(w, "retries", retry.retries);
  PutCount(w, "hedges", retry.hedges);
  PutCount(w, "recovered", retry.recovered);
  PutCount(w, "exhausted", retry.exhausted);
  w.Key("attempts");
  w.BeginArray();
  for (const auto& [attempts, calls] : retry.attempts) {
    w.BeginObject();
    PutCount(w, "attempts", attempts);
    PutCount(w, "calls", calls);
    w.EndObject();
  }
  w.EndArray();
  PutText(w, "back_off", analysis::BackOffName(retry.shape));
  PutMillis(w, "back_off_p50_ms", retry.back_off_p50);
  PutMillis(w, "back_off_p95_ms", retry.back_off_p95);
  w.EndObject();
}

void WriteEdge(JsonWriter& w, const DependencyEdge& edge) {
  const bool both = edge.caller_p50 > 0 && edge.callee_p50 > 0;
  w.BeginObject();
  PutText(w, "from", edge.from);
  PutText(w, "to", edge.to);
  PutText(w, "type", edge.type);
  PutCount(w, "calls", edge.calls);
  PutFigure(w, "calls_per_min", edge.calls_per_min);
  PutFigure(w, "error_rate", edge.error_rate);
  PutSide(w, "caller", edge.caller_errors, edge.caller_p50, edge.caller_p95,
          edge.caller_p99);
  PutSide(w, "callee", edge.callee_errors, edge.callee_p50, edge.callee_p95,
          edge.callee_p99);
  if (both) {
    PutMillis(w, "network_p50_ms", edge.network_p50);
  } else {
    PutNull(w, "network_p50_ms");
  }
  PutFigure(w, "retry_rate", edge.retry_rate);
  PutFigure(w, "amplification", edge.amplification);
  w.Key("retries");
  w.BeginArray();
  for (const auto& retry : edge.retries) WriteRetry(w, retry);
  w.EndArray();
  w.EndObject();
}

void WriteGraph(JsonWriter& w, const DependencyGraph& graph) {
  PutCount(w, "node_count", graph.nodes.size());
  PutCount(w, "edge_count", graph.edges.size());
  w.Key("nodes");
  w.BeginArray();
  for (const DependencyNode& node : graph.nodes) WriteNode(w, node);
  w.EndArray();
  w.Key("edges");
  w.BeginArray();
  for (const DependencyEdge& edge : graph.edges) WriteEdge(w, edge);
  w.EndArray();
}

bool IsNode(const DependencyGraph& graph, std::string_view focus) {
  return std::ranges::any_of(graph.nodes, [focus](const DependencyNode& node) {
    return node.id == focus || node.name == focus;
  });
}

HttpResponse UnknownNode(const DependencyGraph& graph,
                         const std::string& focus) {
  std::vector<std::string_view> names;
  for (const DependencyNode& node : graph.nodes) {
    names.push_back(node.name);
    names.push_back(node.id);
  }
  std::vector<std::string> similar;
  if (const auto nearest = NearestWord(focus, names)) {
    similar.push_back(*nearest);
  }
  return NotFoundProblem(
      fmt::format("nothing named '{}' calls or is called in the window{}",
                  SanitizeUtf8(focus),
                  similar.empty()
                      ? "; without focus all nodes are shown"
                      : fmt::format("; did you mean '{}'?", similar.front())),
      similar);
}

Result<HttpResponse> Dependencies(TracingCall& call) {
  TracingParams& params = call.params;
  const analysis::Window window = params.Window();
  const std::string focus = params.Text("focus");
  const auto hops = static_cast<uint32_t>(params.Count("hops", 1, 0, 100));
  const Format format = params.Choice<Format>("format", kFormats);
  if (focus.empty() && !params.Text("hops").empty()) {
    params.Fail("hops", "hops: only with focus, the node to count them from");
  }
  RETURN_IF_ERROR(CheckParams(call));
  ASSIGN_OR_RETURN(const analysis::SnapshotPtr snapshot,
                   call.site.analyzer.Look(call.context, window));
  const DependencyGraph* graph = &snapshot->dependencies;
  DependencyGraph near;
  if (!focus.empty()) {
    if (!IsNode(*graph, focus)) return UnknownNode(*graph, focus);
    near = analysis::Neighbourhood(*graph, focus, hops);
    graph = &near;
  }
  switch (format) {
    case Format::kDot:
      return TracingText(call.request, "text/vnd.graphviz; charset=utf-8",
                         analysis::ToDot(*graph));
    case Format::kMermaid:
      return TracingText(call.request, "text/plain; charset=utf-8",
                         analysis::ToMermaid(*graph));
    case Format::kJson:
      break;
  }
  return TracingAnswer(
      call.request, snapshot->generated_at, [&](JsonWriter& w) {
        PutWindow(w, snapshot->window);
        if (graph->nodes.empty()) {
          const std::string hint =
              EmptyHint(call, snapshot->window, snapshot->spans);
          PutText(
              w, "hint",
              hint.empty() ? "no service calls another in the window" : hint);
        }
        WriteGraph(w, *graph);
      });
}

constexpr std::string_view kParameters[] = {"focus", "hops", "window",
                                            "start", "end",  "format"};
constexpr TracingRoute kRoutes[] = {
    {"GET", "/api/tracing/dependencies", kParameters, Dependencies}};

}  // namespace

std::span<const TracingRoute> DependencyRoutes() { return kRoutes; }

}  // namespace khtrace::api
