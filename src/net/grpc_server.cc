// SPDX-License-Identifier: Apache-2.0
#include "net/grpc_server.h"

#include <fmt/format.h>
#include <grpc/support/log.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <mutex>
#include <optional>
#include <sstream>
#include <system_error>

#include "base/check.h"
#include "base/log.h"
#include "base/mutex.h"
#include "net/byte_budget.h"
#include "net/grpc_status.h"
#include "net/listen_error.h"

namespace khtrace::net {
namespace {

constexpr std::string_view kHealthCheck = "/grpc.health.v1.Health/Check";
// HealthCheckResponse { status 1 } with SERVING = 1.
constexpr std::string_view kServing = "\x08\x01";
constexpr std::chrono::milliseconds kOverloadRetry{1000};
// What gRPC needs for its connections besides messages; with less than a few
// MiB of quota it stops reading altogether.
constexpr size_t kQuotaFloorBytes = 64u << 20;

using Reactor = grpc::ServerGenericBidiReactor;

std::string_view View(const grpc::string_ref& text) {
  return {text.data(), text.size()};
}

grpc::Status ToStatus(const GrpcReply& reply) {
  if (reply.code == 0) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(reply.code);
  if (!reply.retry_after) return {code, reply.message};
  return {code, reply.message,
          EncodeRetryStatus(reply.code, reply.message, *reply.retry_after)};
}

// The parts of a message as gRPC received them, in one piece: decoders want
// contiguous bytes, and large messages arrive as many HTTP/2 frames.
std::string Flatten(const grpc::ByteBuffer& buffer) {
  std::string bytes;
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// A call that is refused before its message is read.
class RefusedCall final : public Reactor {
 public:
  explicit RefusedCall(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

grpc::ByteBuffer ToBuffer(const std::string& message) {
  const grpc::Slice slice(message);
  return grpc::ByteBuffer(&slice, 1);
}

// One call: reads a message, hands it over, writes the reply, and what goes
// before it. gRPC calls OnDone only after Finish, so the call outlives the
// reply it waits for. One write at a time.
class Call final : public Reactor {
 public:
  Call(grpc::GenericCallbackServerContext& context,
       const GrpcUnaryHandler& handler, ByteBudget& budget)
      : context_(context), handler_(handler), lease_(budget) {
    StartRead(&buffer_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      return Reply({.code = static_cast<int>(grpc::StatusCode::INTERNAL),
                    .message = "the call carries no readable message"});
    }
    if (!lease_.GrowTo(buffer_.Length())) {
      return Reply(
          {.code = static_cast<int>(grpc::StatusCode::RESOURCE_EXHAUSTED),
           .message = "too many requests in flight, try again later",
           .retry_after = kOverloadRetry});
    }
    auto owed = std::make_shared<OwedReply>(*this);
    GrpcRequest request = MakeRequest(owed);
    handler_(std::move(request), [owed = std::move(owed)](GrpcReply reply) {
      owed->Send(std::move(reply));
    });
  }

  void OnWriteDone(bool ok) override {
    {
      MutexLock lock(mu_);
      writing_ = false;
      if (!reply_) return;  // there will be more
      if (!ok) {
        // The client is gone: nobody reads the rest.
        reply_->ahead.clear();
        reply_->code = static_cast<int>(grpc::StatusCode::CANCELLED);
      }
    }
    WriteNext();
  }

  void OnCancel() override { stop_.request_stop(); }
  void OnDone() override {
    // gRPC's own locks order this after Finish(); ours say so to TSan, which
    // does not see into the library.
    finished_.load(std::memory_order_acquire);
    delete this;
  }

 private:
  // Sends once, whoever of the handler's copies comes first.
  class OwedReply {
   public:
    explicit OwedReply(Call& call) : call_(call) {}
    ~OwedReply() {
      if (sent_) return;
      Send({.code = static_cast<int>(grpc::StatusCode::INTERNAL),
            .message = "the call was dropped without a reply"});
    }
    void Send(GrpcReply reply) {
      if (!sent_.exchange(true)) call_.Reply(std::move(reply));
    }
    bool SendAhead(const std::string& message) {
      return !sent_ && call_.SendAhead(message);
    }

   private:
    Call& call_;  // alive until Reply()
    std::atomic<bool> sent_{false};
  };

  GrpcRequest MakeRequest(const std::shared_ptr<OwedReply>& owed) {
    GrpcRequest request;
    request.method = context_.method();
    for (const auto& [name, value] : context_.client_metadata()) {
      request.metadata.emplace_back(View(name), View(value));
    }
    request.message = Flatten(buffer_);
    buffer_.Clear();
    request.peer = context_.peer();
    request.deadline = context_.deadline();
    request.stop = stop_.get_token();
    request.send_ahead = [owed](const std::string& message) {
      return owed->SendAhead(message);
    };
    return request;
  }

  bool SendAhead(const std::string& message) {
    if (stop_.stop_requested()) return false;
    {
      MutexLock lock(mu_);
      if (writing_ || reply_) return false;
      writing_ = true;
    }
    buffer_ = ToBuffer(message);
    StartWrite(&buffer_);
    return true;
  }

  // The call may be gone when this returns.
  void Reply(GrpcReply reply) {
    lease_.GiveBack();
    {
      MutexLock lock(mu_);
      reply_ = std::move(reply);
      if (writing_) return;  // OnWriteDone goes on
    }
    WriteNext();
  }

  // Of the reply, while nothing is being written. Likewise.
  void WriteNext() {
    std::optional<GrpcReply> last;
    {
      MutexLock lock(mu_);
      writing_ = true;
      if (reply_->code == 0 && next_ahead_ < reply_->ahead.size()) {
        buffer_ = ToBuffer(reply_->ahead[next_ahead_]);
        reply_->ahead[next_ahead_++] = {};
      } else {
        last = std::move(reply_);
      }
    }
    if (!last) return StartWrite(&buffer_);
    const grpc::Status status = ToStatus(*last);
    if (status.ok()) buffer_ = ToBuffer(last->body);
    finished_.store(true, std::memory_order_release);
    if (status.ok()) {
      StartWriteAndFinish(&buffer_, grpc::WriteOptions(), status);
    } else {
      Finish(status);
    }
  }

  grpc::GenericCallbackServerContext& context_;
  const GrpcUnaryHandler& handler_;
  grpc::ByteBuffer buffer_;  // the message, later what is being written
  ByteLease lease_;
  std::stop_source stop_;
  std::atomic<bool> finished_{false};
  Mutex mu_;
  bool writing_ KHTRACE_GUARDED_BY(mu_) = false;
  std::optional<GrpcReply> reply_ KHTRACE_GUARDED_BY(mu_);
  size_t next_ahead_ KHTRACE_GUARDED_BY(mu_) = 0;
};

class Service final : public grpc::CallbackGenericService {
 public:
  Service(GrpcHandlers handlers, size_t max_bytes_in_flight)
      : handlers_(std::move(handlers)), budget_(max_bytes_in_flight) {
    handlers_.emplace(kHealthCheck, [](GrpcRequest, const GrpcRespond& reply) {
      reply(GrpcReply::Ok(std::string(kServing)));
    });
  }

  Reactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    const auto it = handlers_.find(context->method());
    if (it == handlers_.end()) {
      return new RefusedCall(
          {grpc::StatusCode::UNIMPLEMENTED, UnknownMethod(context->method())});
    }
    return new Call(*context, it->second, budget_);
  }

 private:
  std::string UnknownMethod(std::string_view full_name) const {
    const size_t slash = std::min(full_name.rfind('/'), full_name.size() - 1);
    const std::string_view prefix = full_name.substr(0, slash + 1);
    const std::string_view service =
        prefix.size() < 2 ? "" : prefix.substr(1, prefix.size() - 2);
    const auto it = handlers_.lower_bound(prefix);
    if (it == handlers_.end() || !it->first.starts_with(prefix)) {
      return fmt::format("unknown service {}", service);
    }
    return fmt::format("unknown method {} for service {}",
                       full_name.substr(slash + 1), service);
  }

  GrpcHandlers handlers_;
  ByteBudget budget_;
};

Result<std::string> ReadFile(std::string_view what, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  if (!file || content.str().empty()) {
    return Error{Code::kInvalidArgument,
                 fmt::format("cannot use {} {}: cannot read it", what, path)};
  }
  return content.str();
}

Result<std::shared_ptr<grpc::ServerCredentials>> MakeCredentials(
    const TlsOptions& tls) {
  if (!tls.enabled()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options;
  grpc::SslServerCredentialsOptions::PemKeyCertPair pair;
  ASSIGN_OR_RETURN(pair.cert_chain, ReadFile("tls cert_file", tls.cert_file));
  ASSIGN_OR_RETURN(pair.private_key, ReadFile("tls key_file", tls.key_file));
  options.pem_key_cert_pairs.push_back(std::move(pair));
  if (!tls.client_ca_file.empty()) {
    ASSIGN_OR_RETURN(options.pem_root_certs,
                     ReadFile("tls client_ca_file", tls.client_ca_file));
    options.client_certificate_request =
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(options);
}

// gRPC does not say why it could not listen: ask the kernel once more.
Error WhyNotListening(const GrpcServerOptions& options) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int lookup =
      ::getaddrinfo(options.host.empty() ? "0.0.0.0" : options.host.c_str(),
                    std::to_string(options.port).c_str(), &hints, &found);
  if (lookup != 0) {
    return {Code::kInvalidArgument,
            fmt::format("cannot listen on {}: {}",
                        HostPort(options.host, options.port),
                        ::gai_strerror(lookup))};
  }
  int error = 0;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const int fd = ::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    const bool bound =
        ::bind(fd, at->ai_addr, at->ai_addrlen) == 0 && ::listen(fd, 1) == 0;
    if (!bound) error = errno;
    ::close(fd);
  }
  ::freeaddrinfo(found);
  if (error == 0 && options.tls.enabled()) {
    return {Code::kInvalidArgument,
            fmt::format("cannot use tls cert_file {} with key_file {}",
                        options.tls.cert_file, options.tls.key_file)};
  }
  return ListenError(options.host, options.port, options.port_option, error);
}

void AddKeepalive(const GrpcServerOptions& options,
                  grpc::ServerBuilder& builder) {
  const auto add = [&builder](const char* name, std::chrono::milliseconds t) {
    if (t.count() > 0) {
      builder.AddChannelArgument(name, static_cast<int>(t.count()));
    }
  };
  add(GRPC_ARG_MAX_CONNECTION_IDLE_MS, options.max_connection_idle);
  add(GRPC_ARG_MAX_CONNECTION_AGE_MS, options.max_connection_age);
  add(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, options.max_connection_age_grace);
  add(GRPC_ARG_KEEPALIVE_TIME_MS, options.keepalive_time);
  add(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options.keepalive_timeout);
  add(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      options.keepalive_min_time);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS,
                             options.keepalive_permit_without_stream ? 1 : 0);
}

// What gRPC prints repeats what we return, or concerns one peer's connection.
void LogFromGrpc(gpr_log_func_args* args) {
  log::Debug("grpc: {}", args->message);
}

void LogOnce() {
  static std::once_flag once;
  std::call_once(once, [] { gpr_set_log_function(LogFromGrpc); });
}

}  // namespace

std::string_view GrpcRequest::Metadata(std::string_view name) const {
  for (const auto& [key, value] : metadata) {
    if (key == name) return value;
  }
  return {};
}

class GrpcServer::Impl {
 public:
  Impl(const GrpcServerOptions& options, GrpcHandlers handlers)
      : host_(options.host),
        service_(std::move(handlers), options.max_bytes_in_flight) {}

  // Without credentials: no port, only adopted connections.
  Status Listen(const GrpcServerOptions& options,
                const std::shared_ptr<grpc::ServerCredentials>& credentials) {
    grpc::ServerBuilder builder;
    // Else a second server on the port would start, and take half the calls.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.SetMaxReceiveMessageSize(
        static_cast<int>(options.max_recv_msg_bytes));
    if (options.max_concurrent_streams > 0) {
      builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                                 options.max_concurrent_streams);
    }
    // Bounds what gRPC itself buffers of messages still arriving.
    grpc::ResourceQuota quota("khtrace");
    quota.Resize(2 * options.max_bytes_in_flight + kQuotaFloorBytes);
    builder.SetResourceQuota(quota);
    AddKeepalive(options, builder);
    if (credentials == nullptr) {
      acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
          grpc::ServerBuilder::experimental_type::ExternalConnectionType::
              FROM_FD,
          grpc::InsecureServerCredentials());
    } else {
      builder.AddListeningPort(HostPort(options.host, options.port),
                               credentials, &port_);
    }
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
    if (credentials == nullptr) {
      if (server_ != nullptr) return {};
      return Error{Code::kInternal, "cannot start a gRPC server"};
    }
    if (server_ == nullptr || port_ == 0) return WhyNotListening(options);
    return {};
  }

  void Adopt(int fd, std::string_view read) {
    KHTRACE_CHECK(acceptor_ != nullptr);
    const grpc::Slice slice(read.data(), read.size());
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters
        connection;
    connection.fd = fd;
    connection.read_buffer = grpc::ByteBuffer(&slice, 1);
    acceptor_->HandleNewConnection(&connection);
  }

  void Stop(std::chrono::nanoseconds patience) {
    if (server_ == nullptr) return;
    server_->Shutdown(
        std::chrono::system_clock::now() +
        std::chrono::ceil<std::chrono::system_clock::duration>(patience));
  }

  uint16_t port() const { return static_cast<uint16_t>(port_); }
  std::string address() const { return HostPort(host_, port()); }

 private:
  const std::string host_;
  Service service_;
  int port_ = 0;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
};

Result<std::unique_ptr<GrpcServer>> GrpcServer::StartWithoutPort(
    const GrpcServerOptions& options, GrpcHandlers handlers) {
  LogOnce();
  auto impl = std::make_unique<Impl>(options, std::move(handlers));
  RETURN_IF_ERROR(impl->Listen(options, nullptr));
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl)));
}

void GrpcServer::Adopt(int fd, std::string_view read) {
  impl_->Adopt(fd, read);
}

Result<std::unique_ptr<GrpcServer>> GrpcServer::Start(
    const GrpcServerOptions& options, GrpcHandlers handlers) {
  LogOnce();
  ASSIGN_OR_RETURN(const auto credentials, MakeCredentials(options.tls));
  auto impl = std::make_unique<Impl>(options, std::move(handlers));
  RETURN_IF_ERROR(impl->Listen(options, credentials));
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl)));
}

GrpcServer::GrpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

GrpcServer::~GrpcServer() { Stop(std::chrono::nanoseconds::zero()); }

uint16_t GrpcServer::port() const { return impl_->port(); }
std::string GrpcServer::address() const { return impl_->address(); }

void GrpcServer::Stop(std::chrono::nanoseconds patience) {
  impl_->Stop(patience);
}

}  // namespace khtrace::net
