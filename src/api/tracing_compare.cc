// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <variant>

#include "analysis/trace_comparison.h"
#include "api/tracing_answer.h"
#include "api/tracing_routes.h"
#include "base/text.h"
#include "query/find_traces.h"

// GET and POST /api/tracing/compare: why B takes longer than A, two traces or
// two sets of them.

namespace khtrace::api {
namespace {

using analysis::ComparedNode;
using analysis::TraceComparison;
using analysis::TraceSample;
using net::HttpResponse;
using wire::JsonWriter;

constexpr size_t kMaxTraces = 2'000;
constexpr size_t kMaxIds = 100;
// Of the traces of one side that are named by their ids.
constexpr size_t kMaxBytes = 256 << 20;
constexpr size_t kExamples = 3;

// What a side is: traces by name, or those that a query selects.
using Side = std::variant<std::vector<model::TraceId>, std::string>;

Side ReadSide(TracingParams& params, std::string_view name) {
  const std::string text = params.Text(name);
  if (text.empty()) {
    params.Fail(name, fmt::format("{}: missing; trace ids with commas between "
                                  "them, or a TraceQL query such as {{ "
                                  "resource.service.version = \"1.2\" }}",
                                  name));
    return {};
  }
  if (text.find('{') != std::string::npos) return text;
  std::vector<model::TraceId> ids;
  for (std::string_view left = text; !left.empty();) {
    const size_t comma = std::min(left.find(','), left.size());
    const auto id = model::TraceId::FromHex(left.substr(0, comma));
    if (!id) {
      params.Fail(name, fmt::format("{}: trace id '{}' is not 1 to 32 hex "
                                    "digits, and there is no {{ of a query",
                                    name, SanitizeUtf8(left.substr(0, 100))));
      return {};
    }
    ids.push_back(*id);
    left.remove_prefix(std::min(comma + 1, left.size()));
  }
  if (ids.size() > kMaxIds) {
    params.Fail(name, fmt::format("{}: {} trace ids: at most {}", name,
                                  ids.size(), kMaxIds));
  }
  return ids;
}

// kNotFound names the traces that are not there.
Result<TraceSample> TakeSide(TracingCall& call, const Side& side,
                             const analysis::Window& window,
                             size_t max_traces) {
  if (const auto* query = std::get_if<std::string>(&side)) {
    analysis::SampleRequest request;
    request.query = *query;
    request.window = window;
    request.max_traces = max_traces;
    request.helpers = &call.site.api.cpu;
    request.judge = call.site.api.judge;
    return analysis::TakeSample(call.site.api.reader, call.context, request);
  }
  const auto& ids = std::get<std::vector<model::TraceId>>(side);
  ASSIGN_OR_RETURN(const query::TracesById found,
                   query::FetchTracesById(call.site.api.reader, call.context,
                                          ids, {}, kMaxBytes));
  if (!found.missing.empty()) {
    return Error{Code::kNotFound, fmt::format("no span of trace {} is stored",
                                              found.missing.front().ToHex())};
  }
  if (found.truncated) {
    return Error{Code::kResourceExhausted,
                 fmt::format("the traces of one side take more than {}: "
                             "compare fewer",
                             FormatByteSize(kMaxBytes))};
  }
  return analysis::SampleOf(found.traces);
}

void PutSet(JsonWriter& w, std::string_view key, const std::string& asked,
            const TraceSample& sample, uint64_t traces, double nanos) {
  w.Key(key);
  w.BeginObject();
  PutText(w, "asked", asked);
  PutCount(w, "traces", traces);
  PutFlag(w, "complete", sample.complete);
  PutMillis(w, "duration_ms", nanos);
  w.Key("examples");
  w.BeginArray();
  for (size_t i = 0; i < sample.traces.size() && i < kExamples; ++i) {
    w.String(sample.traces[i].id.ToHex());
  }
  w.EndArray();
  w.EndObject();
}

void PutNodeSide(JsonWriter& w, std::string_view key,
                 const analysis::ComparedSide& side) {
  w.Key(key);
  w.BeginObject();
  PutCount(w, "traces", side.traces);
  PutFigure(w, "calls", side.calls);
  PutMillis(w, "duration_ms", side.span_nanos);
  PutMillis(w, "path_ms", side.path_nanos);
  w.EndObject();
}

void PutNodes(JsonWriter& w, const TraceComparison& diff) {
  w.Key("nodes");
  w.BeginArray();
  for (const ComparedNode& node : diff.nodes) {
    w.BeginObject();
    PutText(w, "service", node.service);
    PutText(w, "operation", node.operation);
    if (node.parent == ComparedNode::kNoParent) {
      PutNull(w, "parent");
    } else {
      PutCount(w, "parent", node.parent);
    }
    PutCount(w, "depth", node.depth);
    PutNodeSide(w, "a", node.a);
    PutNodeSide(w, "b", node.b);
    PutMillis(w, "difference_ms", node.difference);
    PutFigure(w, "q_value", node.q_value);
    w.EndObject();
  }
  w.EndArray();
}

Result<HttpResponse> Compare(TracingCall& call) {
  TracingParams& params = call.params;
  const analysis::Window window = params.Window();
  const Side a = ReadSide(params, "a");
  const Side b = ReadSide(params, "b");
  const size_t max_traces = params.Count("max_traces", 200, 1, kMaxTraces);
  RETURN_IF_ERROR(CheckParams(call));
  ASSIGN_OR_RETURN(const TraceSample of_a,
                   TakeSide(call, a, window, max_traces));
  ASSIGN_OR_RETURN(const TraceSample of_b,
                   TakeSide(call, b, window, max_traces));
  const TraceComparison diff = analysis::CompareTraces(of_a, of_b);
  return TracingAnswer(call.request, params.now(), [&](JsonWriter& w) {
    PutWindow(w, window);
    PutSet(w, "a", params.Text("a"), of_a, diff.a_traces, diff.a_nanos);
    PutSet(w, "b", params.Text("b"), of_b, diff.b_traces, diff.b_nanos);
    PutMillis(w, "difference_ms", diff.b_nanos - diff.a_nanos);
    PutText(w, "verdict", diff.verdict);
    PutCount(w, "only_a", diff.only_a);
    PutCount(w, "only_b", diff.only_b);
    PutFlag(w, "truncated", diff.truncated);
    PutNodes(w, diff);
  });
}

constexpr std::string_view kParameters[] = {"a",     "b",   "window",
                                            "start", "end", "max_traces"};
constexpr TracingRoute kRoutes[] = {
    {"GET", "/api/tracing/compare", kParameters, Compare},
    {"POST", "/api/tracing/compare", kParameters, Compare}};

}  // namespace

std::span<const TracingRoute> CompareRoutes() { return kRoutes; }

}  // namespace khtrace::api
