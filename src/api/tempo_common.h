// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/ids.h"
#include "net/http.h"
#include "query/search.h"
#include "traceql/ast.h"
#include "wire/json_writer.h"
#include "wire/protobuf.h"

// What the endpoints of Tempo's API share. Grafana's data source decodes
// strictly: no field beside Tempo's own, zero values left out, 64-bit integers
// in quotes.

namespace khtrace::api {

// Of one message of a stream, where more than one item is in it. Larger: fewer
// messages; gRPC's clients refuse more than 4 MiB.
inline constexpr size_t kMaxMessageBytes = 1u << 20;

inline constexpr std::string_view kProtobufType = "application/protobuf";
// Compact answers for language models.
inline constexpr std::string_view kLlmType = "application/vnd.grafana.llm";

// Whether the client's Accept header names `type`.
bool Accepts(const net::HttpRequest& request, std::string_view type);
net::HttpResponse ProtobufResponse(std::string body);
// Warns in a header where the body has no place for it.
void AddWarning(std::string_view text, net::HttpResponse* response);
// Warns when something stored could not be read.
void WarnOfLosses(const query::QueryStats& stats, net::HttpResponse* response);

// ParamReader::Wording of Tempo: "invalid limit: …".
std::string TempoWording(std::string_view name, std::string_view reason);

// Parsed and checked. kInvalidArgument: "invalid TraceQL query: …".
Result<traceql::Query> ParseTempoQuery(std::string_view text);

// 1 to 32 hexadecimal digits. kInvalidArgument in Tempo's words.
Result<model::TraceId> ParseTempoTraceId(std::string_view text);

// A value as OTLP's AnyValue: numbers, booleans and arrays as such; durations,
// statuses and kinds as text; nil as the text "nil".
void WriteValue(const traceql::Static& value, wire::JsonWriter* w);
// The fields of the AnyValue message.
void AppendValue(const traceql::Static& value, std::string* out);
// KeyValue: {"key":…,"value":…}.
void WriteKeyValue(std::string_view key, const traceql::Static& value,
                   wire::JsonWriter* w);
void AppendKeyValue(uint32_t field, std::string_view key,
                    const traceql::Static& value, wire::ProtoWriter* w);

// SearchMetrics.
void WriteStats(const query::QueryStats& stats, wire::JsonWriter* w);
void AppendStats(uint32_t field, const query::QueryStats& stats,
                 wire::ProtoWriter* w);

}  // namespace khtrace::api
