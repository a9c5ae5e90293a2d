// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <optional>

#include "app/client.h"
#include "app/commands.h"
#include "app/flags.h"
#include "app/terminal.h"
#include "app/waterfall.h"
#include "codec/otlp.h"

namespace khtrace::app {
namespace {

struct TraceFlags {
  std::string id;
  ClientFlags client;
  std::string span;
  std::string color = "auto";
  bool json = false;
  bool all = false;
  bool attributes = false;
};

Result<model::SpanBatch> FetchTrace(const Endpoint& endpoint,
                                    const model::TraceId& id) {
  net::HttpClient client = ConnectTo(endpoint);
  auto answer = client.Get("/api/traces/" + id.ToHex(),
                           {{"Accept", "application/protobuf"}});
  if (!answer) return Unreachable(endpoint, std::move(answer).error());
  if (answer->status == 404) {
    return Error{Code::kNotFound,
                 fmt::format("no trace {} on {}: not received yet, or older "
                             "than the retention; `khtrace query` lists traces",
                             id.ToHex(), endpoint.ToString())};
  }
  if (answer->status != 200) {
    return Refused(endpoint, *answer);
  }
  auto decoded = codec::DecodeOtlpProtobuf(std::move(answer->body));
  if (!decoded) return std::move(decoded).error().With(endpoint.ToString());
  if (decoded->batch.empty()) {
    return Error{Code::kDataLoss,
                 fmt::format("{} answered without spans", endpoint.ToString())};
  }
  return std::move(decoded->batch);
}

Status PrintSpan(const model::SpanBatch& trace, std::string_view span_flag,
                 const Terminal& terminal) {
  const auto id = model::SpanId::FromHex(span_flag);
  if (!id) {
    return Error{
        Code::kInvalidArgument,
        fmt::format("--span '{}': expected 1 to 16 hex digits", span_flag)};
  }
  bool found = false;
  for (model::RowIndex row = 0; row < trace.row_count(); ++row) {
    if (trace.spans().span_id[row] != *id) continue;
    fmt::print("{}", RenderSpanDetail(trace, row, terminal));
    found = true;
  }
  if (found) return {};
  return Error{Code::kNotFound,
               fmt::format("the trace has no span {}", id->ToHex())};
}

Status ShowTrace(const TraceFlags& flags) {
  const auto id = model::TraceId::FromHex(flags.id);
  if (!id || id->IsZero()) {
    return Error{
        Code::kInvalidArgument,
        fmt::format("'{}' is not a trace id: expected 1 to 32 hex digits, not "
                    "all zero",
                    flags.id)};
  }
  ASSIGN_OR_RETURN(const Endpoint endpoint,
                   ChooseEndpoint(flags.client, kTempoPort));
  ASSIGN_OR_RETURN(const model::SpanBatch trace, FetchTrace(endpoint, *id));
  if (flags.json) {
    std::string json;
    codec::EncodeOtlpJson(trace, codec::OtlpJsonStyle::kOtlp, &json);
    fmt::print("{{\"resourceSpans\":{}}}\n", json);
    return {};
  }
  WaterfallOptions options;
  options.terminal = DetectTerminal(*ParseColorMode(flags.color));
  options.all = flags.all;
  options.attributes = flags.attributes;
  if (!flags.span.empty()) {
    return PrintSpan(trace, flags.span, options.terminal);
  }
  fmt::print("{}", RenderWaterfall(trace, options));
  return {};
}

}  // namespace

void AddTraceCommand(Command root) {
  auto flags = std::make_shared<TraceFlags>();
  Command command = root.Add("trace", "Show one trace as a waterfall");
  command.Text("id", &flags->id, "Trace id, 1 to 32 hex digits").Required();
  command.Text("--span", &flags->span,
               "Show everything about this span instead");
  command.Switch("--all", &flags->all,
                 "Show every span: fold nothing, hide nothing");
  command.Switch("--attributes", &flags->attributes,
                 "Show the attributes below each span");
  AddJsonFlag(command, &flags->json, "Print the trace as OTLP JSON");
  AddClientFlags(command, "Tempo API", kTempoPort, &flags->client);
  AddColorFlag(command, &flags->color);
  command.Footer(
      "Examples:\n"
      "  khtrace trace 4bf92f3577b34da6a3ce929d0e0e4736\n"
      "  khtrace trace 4bf92f3577b34da6a3ce929d0e0e4736 --attributes | less "
      "-R\n"
      "  khtrace trace 4bf92f3577b34da6a3ce929d0e0e4736 --span "
      "00f067aa0ba902b7");
  command.OnRun([flags] { return ExitCodeOf("trace", ShowTrace(*flags)); });
}

}  // namespace khtrace::app
