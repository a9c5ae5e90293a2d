// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/executor.h"
#include "base/result.h"
#include "ingest/otlp_receiver_options.h"
#include "net/io_runtime.h"
#include "pipeline/span_consumer.h"
#include "telemetry/metrics.h"

namespace khtrace::ingest {

// The receiver `otlp`: OTLP/gRPC and OTLP/HTTP
// (https://opentelemetry.io/docs/specs/otlp/). Thread-safe.
class OtlpReceiver {
 public:
  // Everything but the options is borrowed and must outlive the receiver.
  // The errors are net's: a busy port, a TLS file that cannot be read.
  static Result<std::unique_ptr<OtlpReceiver>> Start(
      OtlpReceiverOptions options, pipeline::SpanConsumer& next, Executor& cpu,
      net::IoRuntime& io, telemetry::Registry& registry);
  virtual ~OtlpReceiver() = default;

  // "127.0.0.1:4318"; "" for a door that is closed.
  virtual std::string http_address() const = 0;
  virtual std::string grpc_address() const = 0;

  // Takes no more requests; waits for running ones up to `patience`.
  virtual void Stop(std::chrono::nanoseconds patience) = 0;
};

}  // namespace khtrace::ingest
