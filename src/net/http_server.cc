// SPDX-License-Identifier: Apache-2.0
#include "net/http_server.h"

#include <unordered_map>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/mutex.h"
#include "net/http_connection.h"
#include "net/listen_error.h"
#include "net/stream.h"

namespace khtrace::net {

// The connections of one server, and the accept loop. Guarded by mu_.
class HttpServer::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(HttpServerOptions options, HttpHandler handler,
       std::shared_ptr<Listener> listener)
      : service_(std::make_shared<HttpService>(std::move(options),
                                               std::move(handler))),
        listener_(std::move(listener)) {}

  void AcceptNext() {
    listener_->AcceptOne(
        [weak = weak_from_this()](std::shared_ptr<Stream> stream) {
          if (auto self = weak.lock()) {
            self->Accepted(std::move(stream));
          } else {
            stream->Close();
          }
        });
  }

  uint16_t port() const { return listener_->port(); }
  const HttpServerOptions& options() const { return service_->options; }
  size_t connection_count() {
    MutexLock lock(mu_);
    return connections_.size();
  }

  void Stop(std::chrono::nanoseconds patience) {
    listener_->Close();
    for (const auto& connection : BeginStop()) connection->Drain();
    if (WaitUntilEmpty(patience)) return;
    for (const auto& connection : Connections()) connection->Abort();
    // Closing needs no more than an I/O thread's attention.
    WaitUntilEmpty(kAbortTime);
  }

 private:
  using Connection = std::shared_ptr<HttpConnection>;
  static constexpr std::chrono::seconds kAbortTime{5};

  void Accepted(std::shared_ptr<Stream> stream) {
    Stream& borrowed = *stream;
    auto key = std::make_shared<HttpConnection*>(nullptr);
    auto connection = std::make_shared<HttpConnection>(
        std::move(stream), service_, [weak = weak_from_this(), key] {
          if (auto self = weak.lock()) self->Closed(*key);
        });
    *key = connection.get();
    bool room;
    {
      MutexLock lock(mu_);
      if (stopping_) {
        borrowed.Close();
        return;
      }
      connections_.emplace(connection.get(), connection);
      room = connections_.size() < options().max_connections;
      accept_paused_ = !room;
    }
    connection->Start();
    if (room) return AcceptNext();
    log::Warning("{} connections on port {}: more wait until one ends",
                 options().max_connections, port());
  }

  void Closed(HttpConnection* connection) {
    bool resume;
    {
      MutexLock lock(mu_);
      connections_.erase(connection);
      resume = std::exchange(accept_paused_, false) && !stopping_;
      if (connections_.empty()) empty_.NotifyAll();
    }
    if (resume) AcceptNext();
  }

  std::vector<Connection> BeginStop() {
    MutexLock lock(mu_);
    stopping_ = true;
    return ConnectionsLocked();
  }
  std::vector<Connection> Connections() {
    MutexLock lock(mu_);
    return ConnectionsLocked();
  }
  std::vector<Connection> ConnectionsLocked() KHTRACE_REQUIRES(mu_) {
    std::vector<Connection> list;
    for (const auto& [key, connection] : connections_) {
      list.push_back(connection);
    }
    return list;
  }

  bool WaitUntilEmpty(std::chrono::nanoseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    MutexLock lock(mu_);
    while (!connections_.empty()) {
      const auto left = end - std::chrono::steady_clock::now();
      if (left <= std::chrono::nanoseconds::zero()) return false;
      empty_.WaitFor(mu_, left);
    }
    return true;
  }

  const std::shared_ptr<HttpService> service_;
  const std::shared_ptr<Listener> listener_;
  Mutex mu_;
  CondVar empty_;
  std::unordered_map<HttpConnection*, Connection> connections_
      KHTRACE_GUARDED_BY(mu_);
  bool accept_paused_ KHTRACE_GUARDED_BY(mu_) = false;
  bool stopping_ KHTRACE_GUARDED_BY(mu_) = false;
};

Result<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options,
                                                      HttpHandler handler,
                                                      IoRuntime& runtime) {
  const ListenOptions listen{.host = options.host,
                             .port = options.port,
                             .port_option = options.port_option,
                             .tls = options.tls};
  ASSIGN_OR_RETURN(auto listener, Listener::Open(listen, runtime));
  auto impl = std::make_shared<Impl>(std::move(options), std::move(handler),
                                     std::move(listener));
  impl->AcceptNext();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() { Stop(std::chrono::nanoseconds::zero()); }

uint16_t HttpServer::port() const { return impl_->port(); }

std::string HttpServer::address() const {
  return HostPort(impl_->options().host, port());
}

size_t HttpServer::connection_count() const {
  return impl_->connection_count();
}

void HttpServer::Stop(std::chrono::nanoseconds patience) {
  impl_->Stop(patience);
}

}  // namespace khtrace::net
