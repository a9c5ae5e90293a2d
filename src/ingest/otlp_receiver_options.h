// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "codec/otlp_options.h"
#include "net/grpc_server_options.h"
#include "net/http_server_options.h"

namespace khtrace::ingest {

struct OtlpIntakeOptions {
  codec::OtlpDecodeOptions decode;
  // Largest request after decompression. Larger: bigger batches get through,
  // more memory for one sender.
  size_t max_request_bytes = 20u << 20;
  // Requests being decoded or stored, over all doors. Over it: "retry later".
  // Larger: longer bursts absorbed; the worst case of memory grows with it.
  size_t max_bytes_in_flight = 192u << 20;
  // The tenant comes from X-Scope-OrgID, and its absence is an error.
  bool multitenancy = false;
};

struct OtlpHttpDoor {
  net::HttpServerOptions server;
  std::string traces_path = "/v1/traces";
};

struct OtlpGrpcDoor {
  net::GrpcServerOptions server;
};

// Config: receivers.otlp. A door that is not set does not open.
struct OtlpReceiverOptions {
  std::optional<OtlpHttpDoor> http;
  std::optional<OtlpGrpcDoor> grpc;
  OtlpIntakeOptions intake;
  // Not empty: every request needs "Authorization: Bearer" and one of these.
  std::vector<Secret> bearer_tokens;
};

}  // namespace khtrace::ingest
