// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "net/tls_options.h"

namespace khtrace::net {

struct GrpcServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;  // 0 = any free one
  // See HttpServerOptions::port_option (http_server_options.h).
  std::string port_option;
  TlsOptions tls;

  // Largest uncompressed message. Over it: RESOURCE_EXHAUSTED.
  size_t max_recv_msg_bytes = 4u << 20;
  int max_concurrent_streams = 0;  // per connection; 0 = gRPC's default
  // Messages of unanswered calls, over all connections. Over it:
  // RESOURCE_EXHAUSTED with RetryInfo of one second.
  size_t max_bytes_in_flight = 256u << 20;

  // The Collector's keepalive.server_parameters; 0 = gRPC's default.
  std::chrono::milliseconds max_connection_idle{0};
  std::chrono::milliseconds max_connection_age{0};
  std::chrono::milliseconds max_connection_age_grace{0};
  std::chrono::milliseconds keepalive_time{0};
  std::chrono::milliseconds keepalive_timeout{0};
  // Pings more often than this close the connection (enforcement_policy).
  std::chrono::milliseconds keepalive_min_time{0};
  bool keepalive_permit_without_stream = false;
};

}  // namespace khtrace::net
