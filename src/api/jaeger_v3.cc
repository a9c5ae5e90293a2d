// SPDX-License-Identifier: Apache-2.0
#include "api/jaeger_v3.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/jaeger_search.h"
#include "api/params.h"
#include "api/query_handler.h"
#include "codec/otlp.h"
#include "query/find_traces.h"
#include "query/trace_summary.h"
#include "wire/json_writer.h"

namespace khtrace::api {
namespace {

using net::HttpRequest;
using net::HttpResponse;
using wire::JsonWriter;

constexpr int64_t kDefaultDepth = 100;

std::string Wording(std::string_view name, std::string_view reason) {
  return fmt::format("malformed parameter {}: {}", name, reason);
}

Error Bad(std::string_view name, std::string_view reason) {
  return {Code::kInvalidArgument, Wording(name, reason)};
}

// {"error":{"httpCode":400,"message":"…"}}
HttpResponse ErrorJson(const Error& error) {
  const int status = HttpStatusOf(error.code);
  std::string body;
  JsonWriter w(&body);
  w.BeginObject();
  w.Key("error");
  w.BeginObject();
  w.Key("httpCode");
  w.Int(status);
  w.Key("message");
  w.String(error.message);
  w.EndObject();
  w.EndObject();
  return net::JsonResponse(status, std::move(body));
}

// {"result":{"resourceSpans":[…]}} of all traces together.
HttpResponse TracesJson(const std::vector<model::SpanBatchPtr>& traces) {
  std::string body = R"({"result":{"resourceSpans":[)";
  std::string trace_json;
  bool first = true;
  for (const model::SpanBatchPtr& trace : traces) {
    trace_json.clear();
    codec::EncodeOtlpJson(*trace, codec::OtlpJsonStyle::kOtlp, &trace_json);
    if (trace_json == "[]") continue;
    if (!first) body += ',';
    first = false;
    body.append(trace_json, 1, trace_json.size() - 2);  // without its brackets
  }
  body += "]}}";
  return net::JsonResponse(200, std::move(body));
}

Result<HttpResponse> Services(const ApiContext& api,
                              const RequestContext& context,
                              const HttpRequest&) {
  ASSIGN_OR_RETURN(const auto services, api.reader.Services(context));
  std::string body;
  JsonWriter w(&body);
  w.BeginObject();
  w.Key("services");
  w.BeginArray();
  for (const std::string& service : services) w.String(service);
  w.EndArray();
  w.EndObject();
  return net::JsonResponse(200, std::move(body));
}

Result<HttpResponse> Operations(const ApiContext& api,
                                const RequestContext& context,
                                const HttpRequest& request) {
  const ParamReader params(request.query, Wording);
  const auto service = params.Text({"service"});
  if (!service) return Bad("service", "it is required");
  const auto kind_name = params.Text({"spanKind", "span_kind"});
  const auto kind = JaegerKind(kind_name.value_or(""));
  if (!kind) {
    return Bad("spanKind", fmt::format("'{}' is no span kind", *kind_name));
  }
  ASSIGN_OR_RETURN(const auto operations,
                   api.reader.Operations(context, *service));
  std::string body;
  JsonWriter w(&body);
  w.BeginObject();
  w.Key("operations");
  w.BeginArray();
  for (const storage::Operation& operation : operations) {
    if (kind_name && operation.kind != *kind) continue;
    w.BeginObject();
    w.Key("name");
    w.String(operation.name);
    w.Key("spanKind");
    w.String(JaegerKindName(operation.kind));
    w.EndObject();
  }
  w.EndArray();
  w.EndObject();
  return net::JsonResponse(200, std::move(body));
}

Result<HttpResponse> OneTrace(const ApiContext& api,
                              const RequestContext& context,
                              const HttpRequest& request) {
  const auto id = ParseJaegerTraceId(request.PathParam("trace_id"));
  if (!id) return Bad("trace_id", id.error().message);
  ParamReader params(request.query, Wording);
  storage::TimeHint hint;
  hint.start = params.Rfc3339({"startTime", "start_time"}).value_or(hint.start);
  hint.end = params.Rfc3339({"endTime", "end_time"}).value_or(hint.end);
  params.Bool({"rawTraces", "raw_traces"});
  RETURN_IF_ERROR(params.status());
  auto trace = query::GetTrace(api.reader, context, *id, hint);
  if (!trace && trace.error().code == Code::kNotFound) {
    return Error{Code::kNotFound, "trace not found"};
  }
  if (!trace) return std::move(trace).error();
  return TracesJson({*trace});
}

Result<JaegerSearch> SearchParams(const ApiContext& api,
                                  const net::QueryParams& query) {
  ParamReader params(query, Wording);
  if (params.Text({"query.filter"})) {
    return Error{Code::kUnimplemented,
                 "query.filter is not available in this version"};
  }
  JaegerSearch search;
  search.service =
      params.Text({"query.serviceName", "query.service_name"}).value_or("");
  search.operation =
      params.Text({"query.operationName", "query.operation_name"}).value_or("");
  const auto start =
      params.Rfc3339({"query.startTimeMin", "query.start_time_min"});
  const auto end =
      params.Rfc3339({"query.startTimeMax", "query.start_time_max"});
  search.min_duration =
      params.Duration({"query.durationMin", "query.duration_min"});
  search.max_duration =
      params.Duration({"query.durationMax", "query.duration_max"});
  search.limit = params.Integer(
      {"query.searchDepth", "query.search_depth", "query.num_traces"},
      kDefaultDepth, 1, api.options.max_traces);
  search.tags = params.Map({"query.attributes"});
  params.Bool({"query.rawTraces", "query.raw_traces"});
  RETURN_IF_ERROR(params.status());
  if (!start) return Bad("query.startTimeMin", "it is required");
  if (!end) return Bad("query.startTimeMax", "it is required");
  search.start = *start;
  search.end = *end;
  if (search.end < search.start) {
    return Bad("query.startTimeMax", "it is before query.startTimeMin");
  }
  if (search.min_duration && search.max_duration &&
      *search.max_duration < *search.min_duration) {
    return Bad("query.durationMax", "it is less than query.durationMin");
  }
  return search;
}

// An answer that would not fit is an error: this form has no place to say
// that traces are left out.
Result<HttpResponse> SearchTraces(const ApiContext& api,
                                  const RequestContext& context,
                                  const HttpRequest& request) {
  ASSIGN_OR_RETURN(const JaegerSearch search, SearchParams(api, request.query));
  ASSIGN_OR_RETURN(
      const query::FetchedTraces found,
      query::FetchTraces(api.reader, context, ToFindRequest(search, &api.cpu),
                         api.options.max_answer_bytes));
  if (found.truncated) {
    return Bad("query.searchDepth",
               fmt::format("the {} traces would take over {} MiB of memory",
                           search.limit, api.options.max_answer_bytes >> 20));
  }
  if (found.traces.empty()) {
    return Error{Code::kNotFound, "No traces found"};
  }
  return TracesJson(found.traces);
}

void WriteSummary(const query::TraceSummary& summary, JsonWriter& w) {
  const auto counts = [&w](uint32_t spans, uint32_t errors) {
    w.Key("spanCount");
    w.Uint(spans);
    w.Key("errorSpanCount");
    w.Uint(errors);
  };
  w.BeginObject();
  w.Key("traceId");
  w.String(summary.trace_id.ToHex());
  w.Key("rootServiceName");
  w.String(summary.root_service);
  w.Key("rootOperationName");
  w.String(summary.root_name);
  w.Key("minStartTimeUnixNano");
  w.QuotedUint(summary.start.ns);
  w.Key("maxEndTimeUnixNano");
  w.QuotedUint(summary.end.ns);
  counts(summary.span_count, summary.error_count);
  w.Key("orphanSpanCount");
  w.Uint(summary.orphan_count);
  w.Key("services");
  w.BeginArray();
  for (const query::ServiceCount& service : summary.services) {
    w.BeginObject();
    w.Key("name");
    w.String(service.name);
    counts(service.span_count, service.error_count);
    w.EndObject();
  }
  w.EndArray();
  w.EndObject();
}

Result<HttpResponse> TraceSummaries(const ApiContext& api,
                                    const RequestContext& context,
                                    const HttpRequest& request) {
  ASSIGN_OR_RETURN(const JaegerSearch search, SearchParams(api, request.query));
  std::string body;
  JsonWriter w(&body);
  w.BeginObject();
  w.Key("summaries");
  w.BeginArray();
  RETURN_IF_ERROR(
      query::VisitTraces(api.reader, context, ToFindRequest(search, &api.cpu),
                         [&w](const model::SpanBatchPtr& trace) {
                           WriteSummary(query::Summarize(*trace), w);
                           return true;
                         }));
  w.EndArray();
  w.EndObject();
  return net::JsonResponse(200, std::move(body));
}

}  // namespace

void RegisterJaegerV3(net::HttpRouter& router, const ApiContext& api) {
  using Endpoint = Result<HttpResponse> (*)(
      const ApiContext&, const RequestContext&, const HttpRequest&);
  const auto add = [&](std::string_view path, Endpoint endpoint) {
    router.Add("GET", path,
               QueryHandler(api, ErrorJson,
                            [&api, endpoint](const RequestContext& context,
                                             const HttpRequest& request) {
                              return endpoint(api, context, request);
                            }));
  };
  add("/api/v3/services", Services);
  add("/api/v3/operations", Operations);
  add("/api/v3/traces", SearchTraces);
  add("/api/v3/traces/{trace_id}", OneTrace);
  add("/api/v3/trace-summaries", TraceSummaries);
}

}  // namespace khtrace::api
