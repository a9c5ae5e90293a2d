// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "base/secret.h"
#include "ingest/otlp_intake.h"
#include "net/grpc_server.h"
#include "net/http_server.h"
#include "pipeline/span_consumer.h"
#include "telemetry/metrics.h"

namespace khtrace::ingest {

// Config: receivers.otlp. A door that is not set does not open.
struct OtlpReceiverOptions {
  struct Http {
    net::HttpServerOptions server;
    std::string traces_path = "/v1/traces";
  };
  struct Grpc {
    net::GrpcServerOptions server;
  };
  std::optional<Http> http;
  std::optional<Grpc> grpc;
  OtlpIntakeOptions intake;
  // Not empty: every request needs "Authorization: Bearer" and one of these.
  std::vector<Secret> bearer_tokens;
};

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
