// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "model/ids.h"
#include "model/span_batch.h"
#include "wire/json_writer.h"

// SpanBatch -> the trace JSON of Jaeger's HTTP API v1, as the Jaeger UI and
// Grafana read it:
//
//   {"traceID":"<16 or 32 hex>","spans":[{"traceID","spanID","flags",
//    "operationName","references":[{"refType","traceID","spanID"}],
//    "startTime":<µs>,"duration":<µs>,"tags":[{"key","type","value"}],
//    "logs":[{"timestamp":<µs>,"fields":[…]}],"processID":"p1",
//    "warnings":null}],
//    "processes":{"p1":{"serviceName","tags":[…]}},"warnings":null}
//
// The mapping of fields is the one of the OpenTelemetry to Jaeger
// translation (opentelemetry.io, "OpenTelemetry to Jaeger Transformation").
// Dropped counts and schema URLs have no place in it.

namespace khtrace::codec {

struct JaegerJsonOptions {
  // Makes the answer pleasant to read: of a client and a server span that
  // share an id (Zipkin) the server gets its own and becomes the child; spans
  // are ordered by start, tags by key; exact duplicates and links without ids
  // are left out. False (`raw=true`): everything as it was stored. Clock skew
  // is never corrected, which is Jaeger's default as well.
  bool adjust = true;
};

// 16 digits when the high half is zero, else 32.
std::string JaegerTraceIdText(const model::TraceId& id);

// Writes one element for each trace of `batch`, in the order of their first
// spans, into the array that the caller opened.
void WriteJaegerTraces(const model::SpanBatch& batch,
                       const JaegerJsonOptions& options,
                       wire::JsonWriter* writer);

}  // namespace khtrace::codec
