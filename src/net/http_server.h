// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/http.h"
#include "net/http_server_options.h"
#include "net/io_runtime.h"

namespace khtrace::net {

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
