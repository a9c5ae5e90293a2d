// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/cors.h"
#include "net/http.h"
#include "net/io_runtime.h"
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
};

// HTTP/1.0 and HTTP/1.1 on one port (RFC 9110, RFC 9112): keep-alive,
// pipelining (answers keep the order of the requests), chunked bodies,
// Expect: 100-continue, TLS. Thread-safe.
class HttpServer {
 public:
  // Listens before it returns. `runtime` must outlive the server and every
  // HttpRespond it gave out. kUnavailable when the port is taken,
  // kInvalidArgument for a host or a TLS file that cannot be used.
  static Result<std::unique_ptr<HttpServer>> Start(HttpServerOptions options,
                                                   HttpHandler handler,
                                                   IoRuntime& runtime);
  // Stops at once, without waiting for running requests.
  ~HttpServer();

  uint16_t port() const;
  std::string address() const;  // "127.0.0.1:4318"
  size_t connection_count() const;

  // Stops accepting, closes idle connections and waits until running requests
  // are answered; after `patience`, cuts what is left. Not from an I/O thread.
  void Stop(std::chrono::nanoseconds patience);

 private:
  class Impl;
  explicit HttpServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace khtrace::net
