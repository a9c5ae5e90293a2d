// SPDX-License-Identifier: Apache-2.0
#include "net/grpc_server.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "net/grpc_status.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/io_runtime.h"
#include "net/net_testing.h"

namespace khtrace::net {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr const char* kEcho = "/test.Echo/Say";

struct Reply {
  grpc::Status status;
  std::string body;
};

// Makes one call with the generic stub and waits for its end.
class Caller {
 public:
  explicit Caller(uint16_t port,
                  const std::shared_ptr<grpc::ChannelCredentials>& credentials =
                      grpc::InsecureChannelCredentials()) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stub_ = std::make_unique<grpc::GenericStub>(grpc::CreateCustomChannel(
        "localhost:" + std::to_string(port), credentials, arguments));
  }

  Reply Call(const std::string& method, const std::string& message,
             bool gzip = false) {
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_deadline(std::chrono::system_clock::now() + 60s);
    context_->AddMetadata("authorization", "Bearer x");
    if (gzip) context_->set_compression_algorithm(GRPC_COMPRESS_GZIP);
    const grpc::Slice slice(message);
    grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> done;
    stub_->UnaryCall(context_.get(), method, {}, &request, &response,
                     [&done](grpc::Status s) { done.set_value(std::move(s)); });
    Reply reply{done.get_future().get(), ""};
    std::vector<grpc::Slice> slices;
    if (reply.status.ok() && response.Dump(&slices).ok()) {
      for (const grpc::Slice& part : slices) {
        reply.body.append(reinterpret_cast<const char*>(part.begin()),
                          part.size());
      }
    }
    return reply;
  }

 private:
  std::unique_ptr<grpc::GenericStub> stub_;
  std::unique_ptr<grpc::ClientContext> context_;
};

GrpcHandlers EchoHandlers() {
  GrpcHandlers handlers;
  handlers[kEcho] = [](GrpcRequest request, const GrpcRespond& respond) {
    respond(GrpcReply::Ok(std::move(request.message)));
  };
  return handlers;
}

std::unique_ptr<GrpcServer> MustStart(const GrpcServerOptions& options = {},
                                      GrpcHandlers handlers = EchoHandlers()) {
  auto server = GrpcServer::Start(options, std::move(handlers));
  EXPECT_TRUE(server) << server.error().message;
  return server ? *std::move(server) : nullptr;
}

TEST(GrpcServer, AnswersUnaryCallsPlainAndCompressed) {
  const auto server = MustStart();
  Caller caller(server->port());
  const std::string message(300'000, 'm');
  for (const bool gzip : {false, true}) {
    const Reply reply = caller.Call(kEcho, message, gzip);
    EXPECT_TRUE(reply.status.ok()) << reply.status.error_message();
    EXPECT_TRUE(reply.body == message);
  }
  EXPECT_EQ(caller.Call(kEcho, "").status.error_code(), grpc::StatusCode::OK);
}

TEST(GrpcServer, ShowsMetadataPeerAndDeadlineToTheHandler) {
  GrpcHandlers handlers;
  handlers[kEcho] = [](const GrpcRequest& request, const GrpcRespond& respond) {
    const bool bounded =
        request.deadline < std::chrono::system_clock::now() + 90s;
    respond(GrpcReply::Ok(std::string(request.Metadata("authorization")) + " " +
                          request.method + " " + request.peer.substr(0, 2) +
                          (bounded ? " bounded" : " unbounded")));
  };
  const auto server = MustStart({}, std::move(handlers));
  EXPECT_EQ(Caller(server->port()).Call(kEcho, "").body,
            "Bearer x /test.Echo/Say ip bounded");
}

TEST(GrpcServer, SendsErrorsWithRetryInfo) {
  GrpcHandlers handlers;
  handlers[kEcho] = [](const GrpcRequest&, const GrpcRespond& respond) {
    respond({.code = 8, .message = "full", .retry_after = 1500ms});
  };
  const auto server = MustStart({}, std::move(handlers));
  const Reply reply = Caller(server->port()).Call(kEcho, "x");
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(reply.status.error_message(), "full");
  EXPECT_EQ(reply.status.error_details(), EncodeRetryStatus(8, "full", 1500ms));
}

TEST(GrpcServer, NamesTheUnknownServiceOrMethod) {
  const auto server = MustStart();
  Caller caller(server->port());
  Reply reply = caller.Call("/test.Other/Say", "x");
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(reply.status.error_message(), "unknown service test.Other");
  reply = caller.Call("/test.Echo/Shout", "x");
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(reply.status.error_message(),
            "unknown method Shout for service test.Echo");
}

TEST(GrpcServer, ReportsThatItServes) {
  const auto server = MustStart();
  const Reply reply =
      Caller(server->port()).Call("/grpc.health.v1.Health/Check", "");
  EXPECT_EQ(reply.body, "\x08\x01");
}

TEST(GrpcServer, RefusesMessagesOverTheLimitPlainAndCompressed) {
  GrpcServerOptions options;
  options.max_recv_msg_bytes = 10'000;
  const auto server = MustStart(options);
  Caller caller(server->port());
  EXPECT_TRUE(caller.Call(kEcho, std::string(10'000, 'x')).status.ok());
  for (const bool gzip : {false, true}) {
    const Reply reply = caller.Call(kEcho, std::string(10'001, 'x'), gzip);
    EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED)
        << reply.status.error_message();
    EXPECT_EQ(reply.status.error_details(), "");
  }
}

TEST(GrpcServer, BoundsTheMessagesInFlight) {
  GrpcServerOptions options;
  options.max_bytes_in_flight = 1500;
  std::promise<GrpcRespond> parked;
  GrpcHandlers handlers = EchoHandlers();
  handlers["/test.Echo/Park"] = [&parked](const GrpcRequest&,
                                          GrpcRespond respond) {
    parked.set_value(std::move(respond));
  };
  const auto server = MustStart(options, std::move(handlers));
  const std::string message(1000, 'x');
  auto first = std::async(std::launch::async, [&] {
    return Caller(server->port()).Call("/test.Echo/Park", message);
  });
  const GrpcRespond respond = parked.get_future().get();
  Caller caller(server->port());
  const Reply refused = caller.Call(kEcho, message);
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.status.error_details(), HasSubstr("RetryInfo"));
  respond(GrpcReply::Ok(""));
  EXPECT_TRUE(first.get().status.ok());
  EXPECT_TRUE(caller.Call(kEcho, message).status.ok());
}

// Reads a stream to its end; `until`: hangs up after so many messages.
class StreamCaller final
    : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  StreamCaller(uint16_t port, const std::string& method, size_t until)
      : stub_(grpc::CreateChannel("localhost:" + std::to_string(port),
                                  grpc::InsecureChannelCredentials())),
        until_(until) {
    context_.set_deadline(std::chrono::system_clock::now() + 60s);
    stub_.PrepareBidiStreamingCall(&context_, method, {}, this);
    const grpc::Slice slice("x");
    request_ = grpc::ByteBuffer(&slice, 1);
    StartWriteLast(&request_, {});
    StartRead(&response_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    std::vector<grpc::Slice> slices;
    std::string body;
    if (response_.Dump(&slices).ok()) {
      for (const grpc::Slice& part : slices) {
        body.append(reinterpret_cast<const char*>(part.begin()), part.size());
      }
    }
    bodies_.push_back(std::move(body));
    if (bodies_.size() == until_) return context_.TryCancel();
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override { done_.set_value(status); }

  grpc::Status Wait() { return done_.get_future().get(); }
  const std::vector<std::string>& bodies() const { return bodies_; }

 private:
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  const size_t until_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  std::vector<std::string> bodies_;
  std::promise<grpc::Status> done_;
};

TEST(GrpcServer, StreamsMessagesAheadOfTheReply) {
  GrpcHandlers handlers;
  handlers[kEcho] = [](const GrpcRequest& request, const GrpcRespond& respond) {
    EXPECT_TRUE(request.send_ahead("first"));
    // Whatever the network does, messages come in the order in which they
    // were taken.
    GrpcReply reply = GrpcReply::Ok("last");
    if (!request.send_ahead("second")) reply.ahead.push_back("second");
    reply.ahead.push_back("third");
    respond(std::move(reply));
    EXPECT_FALSE(request.send_ahead("too late"));
  };
  const auto server = MustStart({}, std::move(handlers));
  StreamCaller caller(server->port(), kEcho, SIZE_MAX);
  EXPECT_TRUE(caller.Wait().ok());
  EXPECT_EQ(caller.bodies(),
            (std::vector<std::string>{"first", "second", "third", "last"}));
}

TEST(GrpcServer, TellsTheHandlerThatTheReaderOfAStreamIsGone) {
  std::promise<void> gone;
  GrpcHandlers handlers;
  handlers[kEcho] = [&gone](const GrpcRequest& request,
                            const GrpcRespond& respond) {
    EXPECT_TRUE(request.send_ahead("first"));
    std::thread([&gone, request, respond] {
      while (!request.stop.stop_requested()) std::this_thread::yield();
      EXPECT_FALSE(request.send_ahead("nobody reads this"));
      respond(GrpcReply::Ok("nor this"));
      gone.set_value();
    }).detach();
  };
  const auto server = MustStart({}, std::move(handlers));
  StreamCaller caller(server->port(), kEcho, 1);
  EXPECT_EQ(caller.Wait().error_code(), grpc::StatusCode::CANCELLED);
  gone.get_future().wait();
}

TEST(GrpcServer, AnswersInternalWhenTheHandlerForgets) {
  GrpcHandlers handlers;
  handlers[kEcho] = [](const GrpcRequest&, const GrpcRespond&) {};
  const auto server = MustStart({}, std::move(handlers));
  EXPECT_EQ(Caller(server->port()).Call(kEcho, "x").status.error_code(),
            grpc::StatusCode::INTERNAL);
}

TEST(GrpcServer, RefusesABusyPortByName) {
  const auto server = MustStart();
  GrpcServerOptions options;
  options.port = server->port();
  options.port_option = "receivers.otlp.protocols.grpc.endpoint";
  const auto second = GrpcServer::Start(options, EchoHandlers());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kUnavailable);
  EXPECT_EQ(second.error().message,
            "cannot listen on " + server->address() +
                ": address already in use (another one is chosen with "
                "receivers.otlp.protocols.grpc.endpoint)");
}

TEST(GrpcServer, StopWaitsForTheRunningCall) {
  std::promise<GrpcRespond> parked;
  GrpcHandlers handlers;
  handlers[kEcho] = [&parked](const GrpcRequest&, GrpcRespond respond) {
    parked.set_value(std::move(respond));
  };
  const auto server = MustStart({}, std::move(handlers));
  auto call = std::async(std::launch::async, [&] {
    return Caller(server->port()).Call(kEcho, "x");
  });
  const GrpcRespond respond = parked.get_future().get();
  auto stopped = std::async(std::launch::async, [&] { server->Stop(30s); });
  EXPECT_EQ(stopped.wait_for(20ms), std::future_status::timeout);
  respond(GrpcReply::Ok("late"));
  EXPECT_EQ(call.get().body, "late");
  stopped.get();
}

TEST(GrpcServer, TellsTheHandlerThatPatienceEnded) {
  std::promise<GrpcRespond> parked;
  std::stop_token stop;
  GrpcHandlers handlers;
  handlers[kEcho] = [&](const GrpcRequest& request, GrpcRespond respond) {
    stop = request.stop;
    parked.set_value(std::move(respond));
  };
  const auto server = MustStart({}, std::move(handlers));
  auto call = std::async(std::launch::async, [&] {
    return Caller(server->port()).Call(kEcho, "x");
  });
  GrpcRespond respond = parked.get_future().get();
  auto stopped = std::async(std::launch::async, [&] { server->Stop(1ms); });
  EXPECT_FALSE(call.get().status.ok());
  // The client may hear of it before the handler does.
  std::promise<void> told;
  const std::stop_callback tell(stop, [&told] { told.set_value(); });
  EXPECT_EQ(told.get_future().wait_for(20s), std::future_status::ready);
  respond(GrpcReply::Ok(""));
  stopped.get();
}

std::string Slurp(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

TEST(GrpcServer, ServesTlsAndDemandsClientCertificates) {
  const CertificatesForTesting certificates;
  GrpcServerOptions options;
  options.tls.cert_file = certificates.Path("server.pem");
  options.tls.key_file = certificates.Path("server.key");
  options.tls.client_ca_file = certificates.Path("ca.pem");
  const auto server = MustStart(options);
  grpc::SslCredentialsOptions client;
  client.pem_root_certs = Slurp(certificates.Path("ca.pem"));
  EXPECT_FALSE(Caller(server->port(), grpc::SslCredentials(client))
                   .Call(kEcho, "x")
                   .status.ok());
  client.pem_cert_chain = Slurp(certificates.Path("client.pem"));
  client.pem_private_key = Slurp(certificates.Path("client.key"));
  const Reply reply =
      Caller(server->port(), grpc::SslCredentials(client)).Call(kEcho, "x");
  EXPECT_TRUE(reply.status.ok()) << reply.status.error_message();
}

TEST(GrpcServer, NamesTheTlsFileThatItCannotRead) {
  GrpcServerOptions options;
  options.tls.cert_file = "/nonexistent/cert.pem";
  const auto server = GrpcServer::Start(options, EchoHandlers());
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error().message,
              HasSubstr("tls cert_file /nonexistent/cert.pem"));
}

TEST(GrpcServer, SharesAPortWithHttp1) {
  auto grpc = GrpcServer::StartWithoutPort({}, EchoHandlers());
  ASSERT_TRUE(grpc) << grpc.error().message;
  IoRuntime io(1);
  HttpServerOptions options;
  options.on_http2 = [&](int fd, const std::string& read) {
    (*grpc)->Adopt(fd, read);
  };
  auto http = HttpServer::Start(
      options,
      [](const HttpRequest&, const HttpRespond& respond) {
        respond(TextResponse(200, "HTTP/1"));
      },
      io);
  ASSERT_TRUE(http) << http.error().message;
  const uint16_t port = (*http)->port();
  Caller caller(port);
  const std::string message(300'000, 'm');
  EXPECT_TRUE(caller.Call(kEcho, message).body == message);
  EXPECT_EQ(HttpClient({.port = port}).Get("/")->body, "HTTP/1\n");
  EXPECT_EQ(caller.Call(kEcho, "again").body, "again");
  // The beginning of both, slowly: known once it differs.
  SocketForTesting slow(port);
  slow.Send("P");
  slow.Send("UT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(slow.ReadUntil("\r\n"), "HTTP/1.1 200 OK\r\n");
  (*http)->Stop(1s);
  (*grpc)->Stop(1s);
}

TEST(GrpcServer, WithoutATakerHttp2IsGarbage) {
  IoRuntime io(1);
  auto http = HttpServer::Start(
      {}, [](const HttpRequest&, const HttpRespond&) {}, io);
  ASSERT_TRUE(http);
  SocketForTesting socket((*http)->port());
  socket.Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  EXPECT_THAT(socket.ReadUntil("\r\n"), ::testing::StartsWith("HTTP/1.1 "));
}

}  // namespace
}  // namespace khtrace::net
