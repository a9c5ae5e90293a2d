// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "net/grpc_server_options.h"

namespace khtrace::net {

struct GrpcRequest {
  std::string method;  // "/package.Service/Method"
  // Names in lower case; values of "-bin" names are the decoded bytes.
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string message;  // uncompressed
  std::string peer;     // "ipv4:127.0.0.1:50312"
  // The client's; max() = none.
  std::chrono::system_clock::time_point deadline =
      std::chrono::system_clock::time_point::max();
  std::stop_token stop;  // the client cancelled or hung up
  // Of a method that streams its answer: sends a message ahead of the reply.
  // False: nothing was sent, because the one before is still under way (so
  // that a slow client holds no more than one) or the client is gone. Does not
  // wait. Not to be called once the reply is given.
  std::function<bool(std::string message)> send_ahead;

  // The first value of `name` (lower case); empty when there is none.
  std::string_view Metadata(std::string_view name) const;
};

struct GrpcReply {
  // gRPC's numbers, 0 = OK; Code's values are the same ones.
  int code = 0;
  std::string message{};  // of an error
  std::string body{};     // of a success
  // Of a stream: messages that go before `body`, one after the other.
  std::vector<std::string> ahead{};
  // Set: the error carries google.rpc.RetryInfo in grpc-status-details-bin,
  // without which OTLP clients do not repeat RESOURCE_EXHAUSTED.
  std::optional<std::chrono::milliseconds> retry_after{};

  static GrpcReply Ok(std::string body) { return {.body = std::move(body)}; }
  static GrpcReply FromError(const Error& error) {
    return {.code = static_cast<int>(error.code), .message = error.message};
  }
};

// The same rules as for HttpRespond: once, from any thread; dropped unused, it
// answers INTERNAL.
using GrpcRespond = std::function<void(GrpcReply)>;
// Runs on one of gRPC's threads: work over 1 ms belongs on a pool.
using GrpcUnaryHandler = std::function<void(GrpcRequest, GrpcRespond)>;

// Full method name -> handler.
using GrpcHandlers = std::map<std::string, GrpcUnaryHandler, std::less<>>;

// gRPC over HTTP/2 with methods given by name, which take one message and
// answer with one, or with a stream of some; messages are bytes.
// Other methods answer UNIMPLEMENTED; grpc.health.v1.Health/Check answers
// SERVING. gRPC owns its threads. Thread-safe.
class GrpcServer {
 public:
  // Listens before it returns. kUnavailable when the port is taken,
  // kInvalidArgument for TLS files that cannot be read.
  static Result<std::unique_ptr<GrpcServer>> Start(
      const GrpcServerOptions& options, GrpcHandlers handlers);
  // Without a port of its own: it serves what Adopt() brings. `options` gives
  // limits; host, port and TLS are not looked at.
  static Result<std::unique_ptr<GrpcServer>> StartWithoutPort(
      const GrpcServerOptions& options, GrpcHandlers handlers);
  // Serves a connection that was accepted elsewhere and closes its socket in
  // the end, at once after Stop(). `read`: what has been read of it already.
  // Only after StartWithoutPort.
  void Adopt(int fd, std::string_view read);

  // Cuts calls still running, then waits until every GrpcRespond is used or
  // gone.
  ~GrpcServer();

  uint16_t port() const;
  std::string address() const;  // "127.0.0.1:4317"

  // Stops accepting and waits for running calls; after `patience`, cuts them.
  void Stop(std::chrono::nanoseconds patience);

 private:
  class Impl;
  explicit GrpcServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace khtrace::net
