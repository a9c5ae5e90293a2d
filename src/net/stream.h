// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/io_runtime.h"
#include "net/tls_options.h"

namespace khtrace::net {

// A connection to one peer, TCP or TLS over it. Every call but Post() and
// every callback happens on the stream's own strand, so what lives behind a
// stream needs no lock. Pending operations keep the stream alive; Close()
// makes them end with ok = false.
class Stream {
 public:
  using Done = std::function<void(bool ok, size_t bytes)>;
  using Time = std::chrono::steady_clock::time_point;

  virtual ~Stream() = default;

  virtual const std::string& peer() const = 0;
  virtual bool tls() const = 0;
  // From any thread.
  virtual void Post(std::function<void()> work) = 0;

  // At most one Handshake or ReadSome, and one Write, at a time. Buffers must
  // live until the callback.
  virtual void Handshake(Done done) = 0;  // TCP: succeeds at once
  virtual void ReadSome(char* data, size_t size, Done done) = 0;
  virtual void Write(std::string_view head, std::string_view body,
                     Done done) = 0;
  // Ends our direction (TCP FIN); reading goes on.
  virtual void ShutdownWrite() = 0;
  virtual void Close() = 0;
  // Gives the connected socket (non-blocking) to the caller, who closes it;
  // the stream is as after Close(). -1 for TLS. No operation is pending.
  virtual int Release() = 0;

  // Calls `expired` when the time of the last SetDeadline() has come.
  virtual void OnDeadline(std::function<void()> expired) = 0;
  virtual void SetDeadline(Time deadline) = 0;
};

struct ListenOptions {
  std::string host;
  uint16_t port = 0;
  std::string port_option;
  TlsOptions tls;
};

// A listening port. Thread-safe.
class Listener {
 public:
  using Accepted = std::function<void(std::shared_ptr<Stream>)>;

  virtual ~Listener() = default;

  // Errors as HttpServer::Start.
  static Result<std::shared_ptr<Listener>> Open(const ListenOptions& options,
                                                IoRuntime& runtime);
  virtual uint16_t port() const = 0;
  // Waits for the next connection and calls `accepted` on that stream's
  // strand. One at a time. Lasting trouble (no descriptors left) is waited
  // out; after Close() nothing is called any more.
  virtual void AcceptOne(Accepted accepted) = 0;
  // Returns when the port is free. Not from an I/O thread.
  virtual void Close() = 0;
};

}  // namespace khtrace::net
