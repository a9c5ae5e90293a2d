// SPDX-License-Identifier: Apache-2.0
#include "api/tempo.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "api/params.h"
#include "api/query_handler.h"
#include "base/text.h"
#include "codec/otlp.h"
#include "query/find_traces.h"
#include "wire/json_writer.h"
#include "wire/protobuf.h"

namespace khtrace::api {
namespace {

using net::HttpRequest;
using net::HttpResponse;

constexpr std::string_view kProtobuf = "application/protobuf";
constexpr std::string_view kNoTraceQl =
    "search by TraceQL is not available in this version";

std::string Wording(std::string_view name, std::string_view reason) {
  return fmt::format("invalid {}: {}", name, reason);
}

Error Bad(std::string message) {
  return {Code::kInvalidArgument, std::move(message)};
}

// The UTF-8 character that begins at `at`.
std::string_view CharacterAt(std::string_view text, size_t at) {
  size_t end = at + 1;
  while (end < text.size() && (text[end] & 0xC0) == 0x80) ++end;
  return text.substr(at, end - at);
}

Result<model::TraceId> ParseTempoTraceId(std::string_view text) {
  const size_t bad = text.find_first_not_of("0123456789abcdefABCDEF");
  if (bad != std::string_view::npos) {
    return Bad(
        fmt::format("trace IDs can only contain hex characters: invalid "
                    "character '{}' at position {}",
                    SanitizeUtf8(CharacterAt(text, bad)), bad + 1));
  }
  const auto id = model::TraceId::FromHex(text);
  if (!id) return Bad("trace IDs can't be larger than 128 bits");
  return *id;
}

// A lone start is fine; a lone end says nothing either.
Result<storage::TimeHint> TimeRange(const net::QueryParams& query) {
  ParamReader params(query, Wording);
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

bool WantsProtobuf(const HttpRequest& request) {
  return request.headers.Joined("Accept").find(kProtobuf) != std::string::npos;
}

HttpResponse ProtobufResponse(std::string body) {
  return {.status = 200,
          .content_type = std::string(kProtobuf),
          .body = std::move(body)};
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
  if (WantsProtobuf(request)) {
    codec::EncodeOtlpProtobuf(**trace, &body);
    return ProtobufResponse(std::move(body));
  }
  body = fmt::format(R"({{"batches":{}}})", ResourceSpansJson(**trace));
  return net::JsonResponse(200, std::move(body));
}

// TraceByIDResponse: trace = 1, metrics = 2, both messages, both present even
// when empty: Grafana reads through them without a look.
std::string TraceByIdProtobuf(const model::SpanBatch* trace) {
  std::string resource_spans;
  if (trace != nullptr) codec::EncodeOtlpProtobuf(*trace, &resource_spans);
  std::string body;
  wire::ProtoWriter writer(body);
  writer.Bytes(1, resource_spans);
  writer.Bytes(2, "");
  return body;
}

std::string TraceByIdJson(const model::SpanBatch* trace) {
  if (trace == nullptr) return R"({"trace":{},"metrics":{}})";
  return fmt::format(R"({{"trace":{{"resourceSpans":{}}},"metrics":{{}}}})",
                     ResourceSpansJson(*trace));
}

// An unknown trace is 200 and empty here.
Result<HttpResponse> TraceV2(const ApiContext& api,
                             const RequestContext& context,
                             const HttpRequest& request) {
  if (ParamReader(request.query, Wording).Text({"q"})) {
    return Error{Code::kUnimplemented, std::string(kNoTraceQl)};
  }
  auto trace = Fetch(api, context, request);
  if (!trace && trace.error().code != Code::kNotFound) {
    return std::move(trace).error();
  }
  const model::SpanBatch* batch = trace ? trace->get() : nullptr;
  if (WantsProtobuf(request)) {
    return ProtobufResponse(TraceByIdProtobuf(batch));
  }
  return net::JsonResponse(200, TraceByIdJson(batch));
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
  for (const char* path :
       {"/api/search", "/api/search/{rest...}", "/api/v2/search/{rest...}",
        "/api/metrics/query", "/api/metrics/query_range"}) {
    for (const char* method : {"GET", "POST"}) {
      router.Add(method, path, [](HttpRequest, net::HttpRespond respond) {
        respond(net::TextResponse(501, kNoTraceQl));
      });
    }
  }
}

}  // namespace khtrace::api
