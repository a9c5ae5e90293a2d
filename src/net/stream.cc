// SPDX-License-Identifier: Apache-2.0
#include "net/stream.h"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <future>
#include <type_traits>
#include <utility>

#include "base/log.h"
#include "net/listen_error.h"

namespace khtrace::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

namespace {

// Pause after a failed accept, usually for want of file descriptors.
constexpr std::chrono::milliseconds kAcceptRetry{100};
// It is told at most so often.
constexpr std::chrono::seconds kTellAcceptEvery{10};

using Strand = asio::strand<asio::io_context::executor_type>;
using Socket = asio::basic_stream_socket<tcp, Strand>;
using Timer =
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>,
                               Strand>;

// `Layer` is Socket or ssl::stream<Socket>.
template <typename Layer>
class AsioStream : public Stream,
                   public std::enable_shared_from_this<AsioStream<Layer>> {
 public:
  static constexpr bool kTls = !std::is_same_v<Layer, Socket>;

  AsioStream(Layer layer, std::string peer)
      : layer_(std::move(layer)),
        timer_(Lowest().get_executor()),
        peer_(std::move(peer)) {}

  const std::string& peer() const override { return peer_; }
  bool tls() const override { return kTls; }

  void Post(std::function<void()> work) override {
    asio::post(Lowest().get_executor(), [self = this->shared_from_this(),
                                         work = std::move(work)] { work(); });
  }

  void Handshake(Done done) override {
    if constexpr (kTls) {
      layer_.async_handshake(
          asio::ssl::stream_base::server,
          [self = this->shared_from_this(), done = std::move(done)](
              const ErrorCode& error) { done(!error, 0); });
    } else {
      done(true, 0);
    }
  }

  void ReadSome(char* data, size_t size, Done done) override {
    layer_.async_read_some(asio::buffer(data, size), Finish(std::move(done)));
  }

  void Write(std::string_view head, std::string_view body, Done done) override {
    const std::array<asio::const_buffer, 2> buffers = {
        asio::buffer(head.data(), head.size()),
        asio::buffer(body.data(), body.size())};
    asio::async_write(layer_, buffers, Finish(std::move(done)));
  }

  void ShutdownWrite() override {
    ErrorCode ignored;
    Lowest().shutdown(tcp::socket::shutdown_send, ignored);
  }

  void Close() override {
    closed_ = true;
    on_deadline_ = nullptr;
    timer_.cancel();
    ErrorCode ignored;
    Lowest().close(ignored);
  }

  int Release() override {
    if (kTls || closed_) return -1;
    ErrorCode error;
    Lowest().non_blocking(true, error);
    const int fd = error ? -1 : Lowest().release(error);
    Close();
    return error ? -1 : fd;
  }

  void OnDeadline(std::function<void()> expired) override {
    on_deadline_ = std::move(expired);
  }

  // Deadlines move with every request, timers are dear: the timer is set anew
  // only to come sooner, and finds out by itself that it came too soon.
  void SetDeadline(Time deadline) override {
    deadline_ = deadline;
    if (closed_ || (armed_ && timer_.expiry() <= deadline)) return;
    Arm();
  }

 private:
  auto Finish(Done done) {
    return [self = this->shared_from_this(), done = std::move(done)](
               const ErrorCode& error, size_t bytes) { done(!error, bytes); };
  }

  Socket& Lowest() {
    if constexpr (kTls) {
      return layer_.next_layer();
    } else {
      return layer_;
    }
  }

  void Arm() {
    armed_ = true;
    timer_.expires_at(deadline_);
    timer_.async_wait(
        [self = this->shared_from_this()](const ErrorCode& error) {
          if (!error) self->TimerFired();
        });
  }

  void TimerFired() {
    if (closed_) return;
    armed_ = false;
    if (std::chrono::steady_clock::now() < deadline_) {
      Arm();
    } else if (on_deadline_) {
      on_deadline_();
    }
  }

  Layer layer_;
  Timer timer_;
  const std::string peer_;
  std::function<void()> on_deadline_;
  Time deadline_;
  bool armed_ = false;
  bool closed_ = false;
};

Error TlsError(std::string_view what, const std::string& file,
               const ErrorCode& error) {
  return {Code::kInvalidArgument,
          fmt::format("cannot use {} {}: {}", what, file, error.message())};
}

Result<std::shared_ptr<asio::ssl::context>> MakeTlsContext(
    const TlsOptions& options) {
  auto context =
      std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX* native = context->native_handle();
  if (options.min_version != "1.2" && options.min_version != "1.3") {
    return Error{Code::kInvalidArgument,
                 fmt::format("cannot use tls min_version {}: only 1.2 and 1.3",
                             options.min_version)};
  }
  SSL_CTX_set_min_proto_version(
      native, options.min_version == "1.3" ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                  SSL_OP_CIPHER_SERVER_PREFERENCE);
  ErrorCode error;
  context->use_certificate_chain_file(options.cert_file, error);
  if (error) return TlsError("tls cert_file", options.cert_file, error);
  context->use_private_key_file(options.key_file, asio::ssl::context::pem,
                                error);
  if (error) return TlsError("tls key_file", options.key_file, error);
  if (!options.client_ca_file.empty()) {
    context->load_verify_file(options.client_ca_file, error);
    if (error) {
      return TlsError("tls client_ca_file", options.client_ca_file, error);
    }
    context->set_verify_mode(asio::ssl::verify_peer |
                             asio::ssl::verify_fail_if_no_peer_cert);
    // Without a context id OpenSSL refuses to resume sessions of clients that
    // showed a certificate.
    static constexpr unsigned char kSessionContext[] = "khtrace";
    SSL_CTX_set_session_id_context(native, kSessionContext,
                                   sizeof(kSessionContext) - 1);
  }
  return context;
}

class AsioListener : public Listener,
                     public std::enable_shared_from_this<AsioListener> {
 public:
  AsioListener(asio::io_context& context,
               std::shared_ptr<asio::ssl::context> tls)
      : context_(context),
        strand_(asio::make_strand(context)),
        acceptor_(strand_),
        retry_(strand_),
        tls_(std::move(tls)) {}

  ErrorCode Listen(const tcp::endpoint& endpoint) {
    ErrorCode error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error)
      acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) port_ = acceptor_.local_endpoint(error).port();
    return error;
  }

  uint16_t port() const override { return port_; }

  void AcceptOne(Accepted accepted) override {
    asio::post(strand_, [self = shared_from_this(),
                         accepted = std::move(accepted)]() mutable {
      self->Accept(std::move(accepted));
    });
  }

  void Close() override {
    std::promise<void> closed;
    asio::post(strand_, [this, &closed] {
      ErrorCode ignored;
      acceptor_.close(ignored);
      retry_.cancel();
      closed.set_value();
    });
    closed.get_future().wait();
  }

 private:
  void Accept(Accepted accepted) {
    if (!acceptor_.is_open()) return;
    acceptor_.async_accept(
        asio::make_strand(context_),
        [self = shared_from_this(), accepted = std::move(accepted)](
            const ErrorCode& error, Socket socket) mutable {
          if (!self->acceptor_.is_open()) return;
          if (error) return self->RetryLater(error, std::move(accepted));
          self->HandOver(std::move(socket), std::move(accepted));
        });
  }

  void RetryLater(const ErrorCode& why, Accepted accepted) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= tell_next_) {
      tell_next_ = now + kTellAcceptEvery;
      log::Error("port {}: cannot accept a connection: {}; clients wait{}",
                 port_, why.message(),
                 why == boost::system::errc::too_many_files_open
                     ? " (more are allowed by a higher `ulimit -n`)"
                     : "");
    }
    retry_.expires_after(kAcceptRetry);
    retry_.async_wait(
        [self = shared_from_this(),
         accepted = std::move(accepted)](const ErrorCode& error) mutable {
          if (!error) self->Accept(std::move(accepted));
        });
  }

  void HandOver(Socket socket, Accepted accepted) {
    ErrorCode error;
    const tcp::endpoint remote = socket.remote_endpoint(error);
    if (error) return Accept(std::move(accepted));  // gone already
    socket.set_option(tcp::no_delay(true), error);
    std::string peer = HostPort(remote.address().to_string(), remote.port());
    std::shared_ptr<Stream> stream;
    if (tls_) {
      using TlsSocket = asio::ssl::stream<Socket>;
      stream = std::make_shared<AsioStream<TlsSocket>>(
          TlsSocket(std::move(socket), *tls_), std::move(peer));
    } else {
      stream = std::make_shared<AsioStream<Socket>>(std::move(socket),
                                                    std::move(peer));
    }
    Stream& borrowed = *stream;
    borrowed.Post(
        [stream = std::move(stream), accepted = std::move(accepted)]() mutable {
          accepted(std::move(stream));
        });
  }

  asio::io_context& context_;
  Strand strand_;
  asio::basic_socket_acceptor<tcp, Strand> acceptor_;
  Timer retry_;
  std::chrono::steady_clock::time_point tell_next_;
  std::shared_ptr<asio::ssl::context> tls_;
  uint16_t port_ = 0;
};

// IPv4 before IPv6 for names that have both, as clients expect of localhost.
Result<tcp::endpoint> Resolve(const ListenOptions& options,
                              asio::io_context& context) {
  if (options.host.empty()) return tcp::endpoint(tcp::v4(), options.port);
  tcp::resolver resolver(context);
  ErrorCode error;
  const auto found = resolver.resolve(
      options.host, std::to_string(options.port),
      tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error || found.empty()) {
    return Error{
        Code::kInvalidArgument,
        fmt::format("cannot listen on {}: {}",
                    HostPort(options.host, options.port), error.message())};
  }
  for (const auto& entry : found) {
    if (entry.endpoint().address().is_v4()) return entry.endpoint();
  }
  return found.begin()->endpoint();
}

}  // namespace

Result<std::shared_ptr<Listener>> Listener::Open(const ListenOptions& options,
                                                 IoRuntime& runtime) {
  std::shared_ptr<asio::ssl::context> tls;
  if (options.tls.enabled()) {
    ASSIGN_OR_RETURN(tls, MakeTlsContext(options.tls));
  }
  ASSIGN_OR_RETURN(const tcp::endpoint endpoint,
                   Resolve(options, runtime.context()));
  auto listener =
      std::make_shared<AsioListener>(runtime.context(), std::move(tls));
  if (const ErrorCode error = listener->Listen(endpoint)) {
    return ListenError(options.host, options.port, options.port_option,
                       error.value());
  }
  return std::shared_ptr<Listener>(std::move(listener));
}

}  // namespace khtrace::net
