// SPDX-License-Identifier: Apache-2.0
#include "api/jaeger_v1.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/jaeger_search.h"
#include "api/jaeger_v1_answer.h"
#include "api/params.h"
#include "api/query_handler.h"
#include "codec/jaeger_json.h"
#include "codec/otlp.h"
#include "query/find_traces.h"
#include "wire/compression.h"

namespace khtrace::api {
namespace {

using net::HttpRequest;
using net::HttpResponse;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using wire::JsonWriter;

constexpr int64_t kDefaultLimit = 100;
constexpr std::chrono::hours kDefaultSearchRange{48};
constexpr std::chrono::hours kDefaultDependencyRange{24};
// Of an uploaded file, unpacked.
constexpr size_t kMaxTransformBytes = 64u << 20;

std::string Wording(std::string_view name, std::string_view reason) {
  return fmt::format("unable to parse param '{}': {}", name, reason);
}

Error Bad(std::string message) {
  return {Code::kInvalidArgument, std::move(message)};
}

Result<model::TraceId> TraceIdParam(std::string_view text) {
  auto id = ParseJaegerTraceId(text);
  if (!id) return Bad("cannot parse traceID param: " + id.error().message);
  return id;
}

HttpResponse NameList(const HttpRequest& request,
                      const std::vector<std::string>& names) {
  return JaegerV1Answer(request, names.size(), [&names](JsonWriter& w) {
    w.BeginArray();
    for (const std::string& name : names) w.String(name);
    w.EndArray();
  });
}

HttpResponse TraceList(const HttpRequest& request, bool raw,
                       const std::vector<model::SpanBatchPtr>& traces,
                       const std::vector<JaegerV1Error>& errors = {}) {
  const auto write = [&traces, raw](JsonWriter& w) {
    w.BeginArray();
    for (const model::SpanBatchPtr& trace : traces) {
      codec::WriteJaegerTraces(*trace, {.adjust = !raw}, &w);
    }
    w.EndArray();
  };
  return JaegerV1Answer(request, 0, write, errors);
}

JaegerV1Error TooMuch(const ApiContext& api, size_t answered) {
  return {.code = 0,
          .message = fmt::format(
              "only the first {} traces are shown: more would take over {} MiB "
              "of memory; lower the limit or narrow the search",
              answered, api.options.max_answer_bytes >> 20),
          .trace_id = {}};
}

Result<HttpResponse> Services(const ApiContext& api,
                              const RequestContext& context,
                              const HttpRequest& request) {
  ASSIGN_OR_RETURN(const auto services, api.reader.Services(context));
  return NameList(request, services);
}

// The service name is everything between "/api/services/" and "/operations":
// clients may or may not encode the slashes in it.
Result<HttpResponse> OperationNames(const ApiContext& api,
                                    const RequestContext& context,
                                    const HttpRequest& request) {
  constexpr std::string_view kSuffix = "/operations";
  std::string_view service = request.PathParam("service");
  if (!service.ends_with(kSuffix) || service.size() == kSuffix.size()) {
    return net::TextResponse(404, "404 page not found");
  }
  service.remove_suffix(kSuffix.size());
  ASSIGN_OR_RETURN(const auto operations,
                   api.reader.Operations(context, service));
  std::set<std::string> names;
  for (const storage::Operation& operation : operations) {
    names.insert(operation.name);
  }
  return NameList(request, {names.begin(), names.end()});
}

Result<HttpResponse> Operations(const ApiContext& api,
                                const RequestContext& context,
                                const HttpRequest& request) {
  const ParamReader params(request.query, Wording);
  const auto service = params.Text({"service"});
  if (!service) return Bad("parameter 'service' is required");
  const auto kind_name = params.Text({"spanKind"});
  const auto kind = JaegerKind(kind_name.value_or(""));
  if (!kind) {
    return Bad(
        Wording("spanKind", fmt::format("'{}' is no span kind", *kind_name)));
  }
  ASSIGN_OR_RETURN(auto operations, api.reader.Operations(context, *service));
  if (kind_name) {
    std::erase_if(operations, [&kind](const storage::Operation& operation) {
      return operation.kind != *kind;
    });
  }
  return JaegerV1Answer(request, operations.size(), [&](JsonWriter& w) {
    w.BeginArray();
    for (const storage::Operation& operation : operations) {
      w.BeginObject();
      w.Key("name");
      w.String(operation.name);
      w.Key("spanKind");
      w.String(JaegerKindName(operation.kind));
      w.EndObject();
    }
    w.EndArray();
  });
}

// `tag=key:value`, repeatable, and `tags={"key":"value"}`.
Result<StringMap> TagParams(const net::QueryParams& query) {
  StringMap tags;
  for (const std::string_view tag : query.GetAll("tag")) {
    if (tag.empty()) continue;
    const size_t colon = tag.find(':');
    if (colon == std::string_view::npos) {
      return Bad(fmt::format(
          "malformed 'tag' parameter, expecting key:value, received: {}", tag));
    }
    tags[std::string(tag.substr(0, colon))] = tag.substr(colon + 1);
  }
  for (const std::string_view json : query.GetAll("tags")) {
    if (json.empty()) continue;
    auto map = ParseStringMap(json);
    if (!map) {
      return Bad("malformed 'tags' parameter, cannot unmarshal JSON: " +
                 map.error().message);
    }
    for (auto& [key, value] : *map) tags[key] = std::move(value);
  }
  return tags;
}

// `lookback` is not looked at: Jaeger's server ignores it as well.
Result<JaegerSearch> SearchParams(const ApiContext& api,
                                  const net::QueryParams& query) {
  ParamReader params(query, Wording);
  JaegerSearch search;
  search.service = params.Text({"service"}).value_or("");
  search.operation = params.Text({"operation"}).value_or("");
  search.end =
      params.UnixTime({"end"}, microseconds(1)).value_or(api.clock.Now());
  search.start = params.UnixTime({"start"}, microseconds(1))
                     .value_or(search.end.Minus(kDefaultSearchRange));
  search.limit =
      params.Integer({"limit"}, kDefaultLimit, 1, api.options.max_traces);
  search.min_duration = params.Duration({"minDuration"});
  search.max_duration = params.Duration({"maxDuration"});
  RETURN_IF_ERROR(params.status());
  if (search.service.empty()) return Bad("parameter 'service' is required");
  if (search.min_duration && search.max_duration &&
      *search.max_duration < *search.min_duration) {
    return Bad("'maxDuration' should be greater than 'minDuration'");
  }
  if (search.end < search.start)
    return Bad("'end' should not be before 'start'");
  ASSIGN_OR_RETURN(search.tags, TagParams(query));
  return search;
}

// Jaeger UI's comparison: missing traces are told beside the others.
Result<HttpResponse> TracesById(const ApiContext& api,
                                const RequestContext& context,
                                const HttpRequest& request, bool raw,
                                const std::vector<std::string_view>& texts) {
  std::vector<model::TraceId> ids;
  for (const std::string_view text : texts) {
    ASSIGN_OR_RETURN(ids.emplace_back(), TraceIdParam(text));
  }
  ASSIGN_OR_RETURN(const query::TracesById found,
                   query::FetchTracesById(api.reader, context, ids, {},
                                          api.options.max_answer_bytes));
  std::vector<JaegerV1Error> errors;
  for (const model::TraceId& id : found.missing) {
    errors.push_back({.code = 404,
                      .message = "trace not found",
                      .trace_id = codec::JaegerTraceIdText(id)});
  }
  if (found.truncated) errors.push_back(TooMuch(api, found.traces.size()));
  return TraceList(request, raw, found.traces, errors);
}

Result<HttpResponse> SearchTraces(const ApiContext& api,
                                  const RequestContext& context,
                                  const HttpRequest& request) {
  ParamReader params(request.query, Wording);
  const bool raw = params.Bool({"raw"});
  RETURN_IF_ERROR(params.status());
  std::vector<std::string_view> ids = request.query.GetAll("traceID");
  std::erase(ids, "");
  if (!ids.empty()) return TracesById(api, context, request, raw, ids);
  ASSIGN_OR_RETURN(const JaegerSearch search, SearchParams(api, request.query));
  ASSIGN_OR_RETURN(
      const query::FetchedTraces found,
      query::FetchTraces(api.reader, context, ToFindRequest(search, &api.cpu),
                         api.options.max_answer_bytes));
  std::vector<JaegerV1Error> errors;
  if (found.truncated) errors.push_back(TooMuch(api, found.traces.size()));
  return TraceList(request, raw, found.traces, errors);
}

Result<HttpResponse> OneTrace(const ApiContext& api,
                              const RequestContext& context,
                              const HttpRequest& request) {
  ASSIGN_OR_RETURN(const model::TraceId id,
                   TraceIdParam(request.PathParam("id")));
  ParamReader params(request.query, Wording);
  const bool raw = params.Bool({"raw"});
  storage::TimeHint hint;
  hint.start = params.MicrosOrMillis({"start"}).value_or(hint.start);
  hint.end = params.MicrosOrMillis({"end"}).value_or(hint.end);
  RETURN_IF_ERROR(params.status());
  auto trace = query::GetTrace(api.reader, context, id, hint);
  if (!trace && trace.error().code == Code::kNotFound) {
    return Error{Code::kNotFound, "trace not found"};
  }
  if (!trace) return std::move(trace).error();
  return TraceList(request, raw, {*trace});
}

Result<HttpResponse> Transform(const HttpRequest& request) {
  ASSIGN_OR_RETURN(const wire::Coding coding,
                   wire::ParseCoding(request.headers.Get("Content-Encoding")));
  std::string unpacked;
  std::string_view body = request.body;
  if (coding != wire::Coding::kIdentity) {
    ASSIGN_OR_RETURN(unpacked,
                     wire::Decompress(coding, body, kMaxTransformBytes));
    body = unpacked;
  }
  auto decoded = codec::DecodeOtlpJson(body);
  if (!decoded) {
    return std::move(decoded).error().With("cannot unmarshal OTLP");
  }
  std::vector<JaegerV1Error> errors;
  if (!decoded->message.empty()) {
    errors.push_back({.code = 0, .message = decoded->message, .trace_id = {}});
  }
  const auto batch =
      std::make_shared<const model::SpanBatch>(std::move(decoded->batch));
  return TraceList(request, /*raw=*/false, {batch}, errors);
}

Result<HttpResponse> Archive(const HttpRequest& request) {
  RETURN_IF_ERROR(TraceIdParam(request.PathParam("id")));
  return Error{Code::kInternal, "archive span storage was not configured"};
}

Result<HttpResponse> Dependencies(const ApiContext& api,
                                  const RequestContext& context,
                                  const HttpRequest& request) {
  ParamReader params(request.query, Wording);
  const UnixNanos end =
      params.UnixTime({"endTs"}, milliseconds(1)).value_or(api.clock.Now());
  const int64_t lookback = params.Integer(
      {"lookback"}, milliseconds(kDefaultDependencyRange).count(), 0,
      std::chrono::floor<milliseconds>(std::chrono::nanoseconds::max())
          .count());
  RETURN_IF_ERROR(params.status());
  ASSIGN_OR_RETURN(
      auto edges,
      api.reader.Dependencies(context, end.Minus(milliseconds(lookback)), end));
  if (const auto service = params.Text({"service"})) {
    std::erase_if(edges, [&service](const storage::DependencyEdge& edge) {
      return edge.parent != *service && edge.child != *service;
    });
  }
  return JaegerV1Answer(request, edges.size(), [&edges](JsonWriter& w) {
    w.BeginArray();
    for (const storage::DependencyEdge& edge : edges) {
      w.BeginObject();
      w.Key("parent");
      w.String(edge.parent);
      w.Key("child");
      w.String(edge.child);
      w.Key("callCount");
      w.Uint(edge.call_count);
      w.EndObject();
    }
    w.EndArray();
  });
}

void RespondMetricsDisabled(HttpRequest, net::HttpRespond respond) {
  respond(
      JaegerV1ErrorAnswer({Code::kUnimplemented, "metrics storage disabled"}));
}

// The smallest step that the UI's monitor page may ask for, in milliseconds.
void RespondMinStep(HttpRequest request, net::HttpRespond respond) {
  respond(JaegerV1Answer(request, 0, [](JsonWriter& w) { w.Int(1000); }));
}

void RespondNotFound(HttpRequest, net::HttpRespond respond) {
  respond(net::TextResponse(404, "404 page not found"));
}

}  // namespace

void RegisterJaegerV1(net::HttpRouter& router, const ApiContext& api) {
  using Stored = Result<HttpResponse> (*)(
      const ApiContext&, const RequestContext&, const HttpRequest&);
  using Pure = Result<HttpResponse> (*)(const HttpRequest&);
  const auto stored = [&api](Stored query) {
    return QueryHandler(api, JaegerV1ErrorAnswer,
                        [&api, query](const RequestContext& context,
                                      const HttpRequest& request) {
                          return query(api, context, request);
                        });
  };
  const auto pure = [&api](Pure query) {
    return QueryHandler(
        api, JaegerV1ErrorAnswer,
        [query](const RequestContext&, const HttpRequest& request) {
          return query(request);
        });
  };
  router.Add("GET", "/api/services", stored(Services));
  router.Add("GET", "/api/services/{service...}", stored(OperationNames));
  router.Add("GET", "/api/operations", stored(Operations));
  router.Add("GET", "/api/traces", stored(SearchTraces));
  router.Add("GET", "/api/traces/{id}", stored(OneTrace));
  router.Add("POST", "/api/transform", pure(Transform));
  router.Add("POST", "/api/archive/{id}", pure(Archive));
  router.Add("GET", "/api/dependencies", stored(Dependencies));
  for (const char* path : {"/api/metrics/latencies", "/api/metrics/calls",
                           "/api/metrics/errors"}) {
    router.Add("GET", path, RespondMetricsDisabled);
  }
  router.Add("GET", "/api/metrics/minstep", RespondMinStep);
  router.Add("GET", "/api/quality-metrics", RespondNotFound);
}

}  // namespace khtrace::api
