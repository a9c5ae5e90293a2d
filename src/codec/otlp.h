// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/otlp_options.h"
#include "model/span_batch.h"
#include "telemetry/drop_reasons.h"

// OTLP bytes <-> SpanBatch. Pure functions. Sources: opentelemetry-proto
// v1.11 (trace.proto, trace_service.proto), and for JSON the specification's
// "JSON Protobuf Encoding" (ids in hex, enums as integers).

namespace khtrace::codec {

struct OtlpDecoded {
  model::SpanBatch batch;        // every span that is sound
  telemetry::DropCounts counts;  // spans dropped and repairs, by reason
  // What is told to the sender in partial_success, e.g. "3 spans dropped: 2
  // zero_trace_id, 1 …"; empty if nothing was dropped.
  std::string message;
};

// An ExportTraceServiceRequest (or TracesData: the same bytes).
// kInvalidArgument: not a well-formed message, an id of a wrong length (OTLP
// wants the whole request refused then), or a resource or scope whose
// attributes nest too deep. kResourceExhausted: over 256 MiB. A span that is
// malformed inside sound surroundings is dropped alone. An enum's value that
// does not fit a byte becomes 0. `body` becomes the batch's text: nothing is
// copied but what is repaired.
Result<OtlpDecoded> DecodeOtlpProtobuf(std::string body,
                                       const OtlpDecodeOptions& options = {});

// The same request as JSON, tolerant as the Collector is: enum names,
// snake_case keys, numbers in strings, unknown keys ignored. A member of a
// wrong type or range refuses the request (kInvalidArgument names it).
Result<OtlpDecoded> DecodeOtlpJson(std::string_view body,
                                   const OtlpDecodeOptions& options = {});

// TracesData: field 1, ResourceSpans in the order of their first span.
void EncodeOtlpProtobuf(const model::SpanBatch& batch, std::string* out);

enum class OtlpJsonStyle {
  kOtlp,   // OTLP/JSON: hex ids, integer enums
  kTempo,  // Tempo's HTTP API: base64 ids, enum names
};
// The array of ResourceSpans alone: "[{"resource":…},…]". Callers wrap it
// under "resourceSpans" or "batches". Zero values are left out, 64-bit
// integers are strings.
void EncodeOtlpJson(const model::SpanBatch& batch, OtlpJsonStyle style,
                    std::string* out);

// ExportTraceServiceResponse. With rejected == 0 and no message: empty
// success ("" and {"partialSuccess":{}}).
std::string EncodeOtlpResponseProtobuf(uint64_t rejected_spans,
                                       std::string_view message);
std::string EncodeOtlpResponseJson(uint64_t rejected_spans,
                                   std::string_view message);

}  // namespace khtrace::codec
