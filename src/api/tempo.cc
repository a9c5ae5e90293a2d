// SPDX-License-Identifier: Apache-2.0
#include "api/tempo.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/params.h"
#include "api/query_handler.h"
#include "api/tempo_common.h"
#include "api/tempo_metrics.h"
#include "api/tempo_search.h"
#include "api/tempo_tags.h"
#include "api/tempo_trace_diff.h"
#include "api/tempo_trace_filter.h"
#include "base/text.h"
#include "codec/otlp.h"
#include "query/find_traces.h"
#include "wire/json_writer.h"
#include "wire/protobuf.h"

namespace khtrace::api {
namespace {

using net::HttpRequest;
using net::HttpResponse;

// Of a v2 answer that a filter made smaller.
constexpr std::string_view kFiltered =
    "Trace filtered, only a subset of spans matching the filter is returned";

Error Bad(std::string message) {
  return {Code::kInvalidArgument, std::move(message)};
}

// A lone start is fine; a lone end says nothing either.
Result<storage::TimeHint> TimeRange(const net::QueryParams& query) {
  ParamReader params(query, TempoWording);
  const auto start = params.UnixTime({"start"}, std::chrono::seconds(1));
  const auto end = params.UnixTime({"end"}, std::chrono::seconds(1));
  RETURN_IF_ERROR(params.status());
  storage::TimeHint hint;
  hint.start = start.value_or(hint.start);
  hint.end = end.value_or(hint.end);
  if (start && end && hint.end <= hint.start) {
    return Bad(fmt::format(
        "http parameter start must be before end. received start={} end={}",
        *params.Text({"start"}), *params.Text({"end"})));
  }
  return hint;
}

Result<model::SpanBatchPtr> Fetch(const ApiContext& api,
                                  const RequestContext& context,
                                  const HttpRequest& request) {
  ASSIGN_OR_RETURN(const model::TraceId id,
                   ParseTempoTraceId(request.PathParam("id")));
  ASSIGN_OR_RETURN(const storage::TimeHint hint, TimeRange(request.query));
  return query::GetTrace(api.reader, context, id, hint);
}

std::string ResourceSpansJson(const model::SpanBatch& trace) {
  std::string json;
  codec::EncodeOtlpJson(trace, codec::OtlpJsonStyle::kTempo, &json);
  return json;
}

Result<HttpResponse> TraceV1(const ApiContext& api,
                             const RequestContext& context,
                             const HttpRequest& request) {
  auto trace = Fetch(api, context, request);
  if (!trace && trace.error().code == Code::kNotFound) {
    return HttpResponse{.status = 404};  // without a body, as Tempo
  }
  if (!trace) return std::move(trace).error();
  std::string body;
  if (Accepts(request, kProtobufType)) {
    codec::EncodeOtlpProtobuf(**trace, &body);
    return ProtobufResponse(std::move(body));
  }
  body = fmt::format(R"({{"batches":{}}})", ResourceSpansJson(**trace));
  return net::JsonResponse(200, std::move(body));
}

// TraceByIDResponse: trace = 1, metrics = 2, both messages, both present even
// when empty: Grafana reads through them without a look. status = 3 (1:
// PARTIAL), message = 4.
std::string TraceByIdProtobuf(const model::SpanBatch* trace, bool filtered) {
  std::string resource_spans;
  if (trace != nullptr) codec::EncodeOtlpProtobuf(*trace, &resource_spans);
  std::string body;
  wire::ProtoWriter writer(body);
  writer.Bytes(1, resource_spans);
  writer.Bytes(2, "");
  if (filtered) {
    writer.Varint(3, 1);
    writer.Bytes(4, kFiltered);
  }
  return body;
}

std::string TraceByIdJson(const model::SpanBatch* trace, bool filtered) {
  std::string content;
  if (trace != nullptr) {
    content = fmt::format(R"("resourceSpans":{})", ResourceSpansJson(*trace));
  }
  std::string status;
  if (filtered) {
    status = fmt::format(R"(,"status":"PARTIAL","message":"{}")", kFiltered);
  }
  return fmt::format(R"({{"trace":{{{}}},"metrics":{{}}{}}})", content, status);
}

// An unknown trace is 200 and empty here.
Result<HttpResponse> TraceV2(const ApiContext& api,
                             const RequestContext& context,
                             const HttpRequest& request) {
  ASSIGN_OR_RETURN(const std::optional<TraceSpanFilter> filter,
                   ReadTraceFilter(request.query));
  model::SpanBatchPtr trace;
  auto fetched = Fetch(api, context, request);
  if (fetched) {
    trace = *std::move(fetched);
  } else if (fetched.error().code != Code::kNotFound) {
    return std::move(fetched).error();
  }
  bool filtered = false;
  if (filter && trace != nullptr) {
    ASSIGN_OR_RETURN(model::SpanBatchPtr left,
                     Apply(*filter, api, context, trace));
    filtered = left != trace;
    trace = std::move(left);
  }
  if (Accepts(request, kProtobufType)) {
    return ProtobufResponse(TraceByIdProtobuf(trace.get(), filtered));
  }
  return net::JsonResponse(200, TraceByIdJson(trace.get(), filtered));
}

std::string BuildInfoJson(const BuildInfo& build) {
  std::string body;
  wire::JsonWriter w(&body);
  const auto field = [&w](std::string_view key, std::string_view value) {
    w.Key(key);
    w.String(value);
  };
  w.BeginObject();
  field("version", build.version);
  field("revision", build.revision);
  field("branch", build.branch);
  field("buildUser", build.build_user);
  field("buildDate", build.build_date);
  field("goVersion", "");
  w.EndObject();
  return body;
}

}  // namespace

void RegisterTempo(net::HttpRouter& router, const ApiContext& api,
                   const telemetry::Health& health) {
  using Endpoint = Result<HttpResponse> (*)(
      const ApiContext&, const RequestContext&, const HttpRequest&);
  const auto query = [&api](Endpoint endpoint) {
    return QueryHandler(api, PlainTextError,
                        [&api, endpoint](const RequestContext& context,
                                         const HttpRequest& request) {
                          return endpoint(api, context, request);
                        });
  };
  router.Add("GET", "/ready", [&health](HttpRequest, net::HttpRespond respond) {
    respond(health.AllOk() ? net::TextResponse(200, "ready")
                           : net::TextResponse(503, "not ready"));
  });
  router.Add("GET", "/api/echo", [](HttpRequest, net::HttpRespond respond) {
    respond({.content_type = "text/plain; charset=utf-8", .body = "echo"});
  });
  router.Add("GET", "/api/status/buildinfo",
             [&api](HttpRequest, net::HttpRespond respond) {
               respond(net::JsonResponse(200, BuildInfoJson(api.build)));
             });
  router.Add("GET", "/api/traces/{id}", query(TraceV1));
  router.Add("GET", "/api/v2/traces/{id}", query(TraceV2));
  router.Add("POST", "/api/v2/traces/diff", query(AnswerTraceDiff));
  for (const char* method : {"GET", "PUT", "PATCH", "DELETE"}) {
    // "diff" is no trace id.
    router.Add(method, "/api/v2/traces/diff",
               [](HttpRequest, net::HttpRespond respond) {
                 respond(net::TextResponse(405, "Method Not Allowed"));
               });
  }
  for (const char* method : {"GET", "POST"}) {
    router.Add(method, "/api/search", query(AnswerTempoSearch));
    router.Add(method, "/api/metrics/query", query(AnswerQueryInstant));
    router.Add(method, "/api/metrics/query_range", query(AnswerQueryRange));
  }
  router.Add("GET", "/api/search/tags", query(AnswerTagNames));
  router.Add("GET", "/api/v2/search/tags", query(AnswerTagScopes));
  router.Add("GET", "/api/search/tag/{rest...}", query(AnswerTagValues));
  router.Add("GET", "/api/v2/search/tag/{rest...}", query(AnswerTagValuesV2));
}

}  // namespace khtrace::api
