// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "net/cors.h"
#include "net/http.h"
#include "net/tls_options.h"

namespace khtrace::net {

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // address or name; "" = 0.0.0.0
  uint16_t port = 0;               // 0 = any free one
  // The option that moves this listener, named in the error of a busy port:
  // "receivers.otlp.protocols.http.endpoint". "" = not named.
  std::string port_option;

  // Largest body as received. Over it: 413.
  size_t max_body_bytes = 20u << 20;
  // Request line and headers together. Over it: 431.
  size_t max_header_bytes = 64u << 10;
  // Bodies of unanswered requests, over all connections. Over it: 503 with
  // Retry-After: 1. Larger: more bursts absorbed, more memory.
  size_t max_body_bytes_in_flight = 256u << 20;
  // At the limit, new connections wait in the kernel's queue.
  size_t max_connections = 4096;

  // From the first byte of a request (or the connect) to the end of its
  // headers. Over it: 408.
  std::chrono::milliseconds header_timeout{10'000};
  // From the end of the headers to the end of the body. Over it: 408.
  std::chrono::milliseconds body_timeout{60'000};
  // Between two requests of a connection.
  std::chrono::milliseconds idle_timeout{75'000};
  // For each MiB of an answer that the client has to take.
  std::chrono::milliseconds write_timeout{30'000};

  TlsOptions tls;
  CorsOptions cors;
  HttpHeaders response_headers;  // added to every answer
  HttpErrorBody error_body;      // unset: text/plain

  // Takes connections that begin as HTTP/2 does with prior knowledge (RFC
  // 9113, 3.3): the socket, which is the callee's then, and what was read of
  // it. On an I/O thread. Unset, or over TLS: 400, as for any garbage.
  std::function<void(int fd, std::string read)> on_http2;
};

}  // namespace khtrace::net
