// SPDX-License-Identifier: Apache-2.0
#include "api/jaeger_v1_answer.h"

#include <array>
#include <utility>

#include "api/json_indent.h"
#include "api/query_handler.h"

namespace khtrace::api {
namespace {

void WriteErrors(std::span<const JaegerV1Error> errors, wire::JsonWriter& w) {
  if (errors.empty()) {
    w.Null();
    return;
  }
  w.BeginArray();
  for (const JaegerV1Error& error : errors) {
    w.BeginObject();
    if (error.code != 0) {
      w.Key("code");
      w.Int(error.code);
    }
    w.Key("msg");
    w.String(error.message);
    if (!error.trace_id.empty()) {
      w.Key("traceID");
      w.String(error.trace_id);
    }
    w.EndObject();
  }
  w.EndArray();
}

std::string Envelope(const std::function<void(wire::JsonWriter&)>& write_data,
                     size_t total, std::span<const JaegerV1Error> errors) {
  std::string body;
  wire::JsonWriter w(&body);
  w.BeginObject();
  w.Key("data");
  write_data(w);
  w.Key("total");
  w.Uint(total);
  w.Key("limit");
  w.Int(0);
  w.Key("offset");
  w.Int(0);
  w.Key("errors");
  WriteErrors(errors, w);
  w.EndObject();
  return body;
}

}  // namespace

net::HttpResponse JaegerV1Answer(
    const net::HttpRequest& request, size_t total,
    const std::function<void(wire::JsonWriter&)>& write_data,
    std::span<const JaegerV1Error> errors) {
  std::string body = Envelope(write_data, total, errors);
  if (request.query.Get("prettyPrint") == "true") body = IndentJson(body);
  return net::JsonResponse(200, std::move(body));
}

net::HttpResponse JaegerV1ErrorAnswer(const Error& error) {
  const int status = HttpStatusOf(error.code);
  const std::array<JaegerV1Error, 1> errors{
      {{.code = status, .message = error.message, .trace_id = {}}}};
  const auto no_data = [](wire::JsonWriter& w) { w.Null(); };
  return net::TextResponse(status, Envelope(no_data, 0, errors));
}

}  // namespace khtrace::api
