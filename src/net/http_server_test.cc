// SPDX-License-Identifier: Apache-2.0
#include "net/http_server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>

#include "net/http_client.h"
#include "net/net_testing.h"

namespace khtrace::net {
namespace {

using namespace std::chrono_literals;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// "METHOD target body" back.
void Echo(const HttpRequest& request, const HttpRespond& respond) {
  respond({.content_type = "text/plain",
           .body = request.method + " " + request.target + " " + request.body});
}

class HttpServerTest : public ::testing::Test {
 protected:
  void Start(HttpServerOptions options = {}, HttpHandler handler = Echo) {
    auto server =
        HttpServer::Start(std::move(options), std::move(handler), runtime_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
  }
  // Sends bytes on a new connection and returns everything that came back.
  std::string Exchange(std::string_view bytes) {
    SocketForTesting socket(server_->port());
    socket.Send(bytes);
    return socket.ReadToEnd();
  }

  IoRuntime runtime_{2};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, KeepsTheConnectionBetweenRequests) {
  Start();
  SocketForTesting socket(server_->port());
  for (const char* path : {"/a", "/b"}) {
    socket.Send(std::string("GET ") + path + " HTTP/1.1\r\nHost: h\r\n\r\n");
    const std::string head = socket.ReadUntil("\r\n\r\n");
    EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(head, Not(HasSubstr("Connection:")));
    EXPECT_EQ(socket.ReadUntil(std::string(path) + " "),
              std::string("GET ") + path + " ");
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInTheirOrder) {
  Start();
  const std::string answers = Exchange(
      "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"
      "\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\ncd\r\n0\r\n\r\n"
      "GET /3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const size_t first = answers.find("POST /1 ab");
  const size_t second = answers.find("POST /2 cd");
  EXPECT_LT(first, second);
  EXPECT_THAT(answers.substr(second), EndsWith("GET /3 "));
}

TEST_F(HttpServerTest, ServesHttp10AndClosesUnlessAskedToKeep) {
  Start();
  EXPECT_THAT(Exchange("GET /x HTTP/1.0\r\n\r\n"),
              StartsWith("HTTP/1.0 200 OK\r\n"));
  SocketForTesting socket(server_->port());
  socket.Send("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(socket.ReadUntil("\r\n\r\n"),
              HasSubstr("Connection: keep-alive\r\n"));
}

TEST_F(HttpServerTest, SendsTheHeadAloneForHead) {
  Start();
  const std::string answer =
      Exchange("HEAD /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 8\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, ReadsLargeBodiesOfBothFramings) {
  Start({}, [](const HttpRequest& request, const HttpRespond& respond) {
    respond({.body = request.body});
  });
  std::string body;
  for (int i = 0; body.size() < (5u << 20); ++i) body += std::to_string(i);
  HttpClient client({.port = server_->port()});
  for (int round = 0; round < 2; ++round) {
    auto response = client.Post("/", body, "text/plain");
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_TRUE(response->body == body);
  }
  std::string chunked =
      "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  for (size_t at = 0; at < body.size(); at += 10'000) {
    const std::string piece = body.substr(at, 10'000);
    chunked += fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
  }
  const std::string answer = Exchange(chunked + "0\r\n\r\n");
  EXPECT_TRUE(answer.ends_with(body));
}

TEST_F(HttpServerTest, SaysContinueToThoseWhoWaitForIt) {
  Start();
  SocketForTesting socket(server_->port());
  socket.Send(
      "POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
      "Content-Length: 3\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(socket.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.Send("abc");
  EXPECT_THAT(socket.ReadToEnd(), EndsWith("POST /x abc"));
}

TEST_F(HttpServerTest, AnswersFromAnotherThreadLater) {
  std::promise<HttpRespond> parked;
  Start({}, [&parked](const HttpRequest&, HttpRespond respond) {
    parked.set_value(std::move(respond));
  });
  std::thread answering([&parked] {
    const HttpRespond respond = parked.get_future().get();
    respond({.status = 202});
    respond({.status = 500});  // the second answer is ignored
  });
  HttpClient client({.port = server_->port()});
  EXPECT_EQ(client.Get("/")->status, 202);
  answering.join();
}

TEST_F(HttpServerTest, Answers500WhenTheHandlerForgets) {
  Start({}, [](const HttpRequest&, const HttpRespond&) {});
  HttpClient client({.port = server_->port()});
  EXPECT_EQ(client.Get("/")->status, 500);
}

TEST_F(HttpServerTest, TellsTheHandlerThatTheClientHungUp) {
  std::promise<void> stopped;
  std::promise<void> running;
  std::promise<HttpRespond> parked;
  Start({}, [&](HttpRequest request, HttpRespond respond) {
    parked.set_value(std::move(respond));
    std::thread([&, stop = request.stop] {
      running.set_value();
      while (!stop.stop_requested()) std::this_thread::yield();
      stopped.set_value();
    }).detach();
  });
  {
    SocketForTesting socket(server_->port());
    socket.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    running.get_future().wait();
  }
  EXPECT_EQ(stopped.get_future().wait_for(10s), std::future_status::ready);
  parked.get_future().get()({});
}

TEST_F(HttpServerTest, StillAnswersAClientThatFinishedSending) {
  Start();
  SocketForTesting socket(server_->port());
  socket.Send("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
  socket.FinishSending();
  EXPECT_THAT(socket.ReadToEnd(), EndsWith("GET /x "));
}

TEST_F(HttpServerTest, AnswersPreflightsAndMarksOrdinaryAnswers) {
  HttpServerOptions options;
  options.cors.allowed_origins = {"https://ui.example.com"};
  options.response_headers = {{"X-Served-By", "khtrace"}};
  Start(std::move(options));
  HttpClient client({.port = server_->port()});
  auto preflight = client.Send("OPTIONS", "/v1/traces",
                               {{"Origin", "https://ui.example.com"},
                                {"Access-Control-Request-Method", "POST"}},
                               "");
  EXPECT_EQ(preflight->status, 204);
  EXPECT_EQ(preflight->headers.Get("access-control-allow-origin"),
            "https://ui.example.com");
  auto foreign = client.Send("OPTIONS", "/v1/traces",
                             {{"Origin", "https://evil.org"},
                              {"Access-Control-Request-Method", "POST"}},
                             "");
  EXPECT_FALSE(foreign->headers.Has("access-control-allow-origin"));
  auto ordinary = client.Get("/", {{"Origin", "https://ui.example.com"}});
  EXPECT_EQ(ordinary->headers.Get("access-control-allow-origin"),
            "https://ui.example.com");
  EXPECT_EQ(ordinary->headers.Get("x-served-by"), "khtrace");
}

TEST_F(HttpServerTest, RefusesABusyPortByName) {
  Start();
  HttpServerOptions options;
  options.port = server_->port();
  options.port_option = "receivers.otlp.protocols.http.endpoint";
  const auto second = HttpServer::Start(options, Echo, runtime_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kUnavailable);
  EXPECT_EQ(second.error().message,
            fmt::format("cannot listen on 127.0.0.1:{}: address already in use "
                        "(another one is chosen with "
                        "receivers.otlp.protocols.http.endpoint)",
                        options.port));
}

TEST_F(HttpServerTest, RefusesAHostThatDoesNotExist) {
  HttpServerOptions options;
  options.host = "256.0.0.1";
  const auto server = HttpServer::Start(options, Echo, runtime_);
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error().message, StartsWith("cannot listen on 256.0.0.1"));
}

TEST_F(HttpServerTest, StopWaitsForTheRunningRequestAndClosesIdleOnes) {
  std::promise<HttpRespond> parked;
  Start({}, [&parked](const HttpRequest&, HttpRespond respond) {
    parked.set_value(std::move(respond));
  });
  SocketForTesting idle(server_->port());
  SocketForTesting busy(server_->port());
  busy.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  HttpRespond respond = parked.get_future().get();
  const uint16_t port = server_->port();
  auto stopped = std::async(std::launch::async, [this] { server_->Stop(30s); });
  EXPECT_TRUE(idle.AtEnd());
  EXPECT_EQ(stopped.wait_for(0s), std::future_status::timeout);
  respond({.body = "done"});
  EXPECT_THAT(busy.ReadToEnd(), EndsWith("done"));
  stopped.get();
  // The port is free again.
  HttpServerOptions options;
  options.port = port;
  Start(options);
}

TEST_F(HttpServerTest, StopCutsRequestsWhenPatienceEnds) {
  std::promise<HttpRespond> parked;
  std::stop_token stop;
  Start({}, [&](const HttpRequest& request, HttpRespond respond) {
    stop = request.stop;
    parked.set_value(std::move(respond));
  });
  SocketForTesting busy(server_->port());
  busy.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  HttpRespond respond = parked.get_future().get();
  server_->Stop(1ms);
  EXPECT_TRUE(stop.stop_requested());
  EXPECT_TRUE(busy.AtEnd());
  respond({});  // too late, and harmless
}

TEST_F(HttpServerTest, AcceptsAgainOnceAConnectionOfAFullServerEnds) {
  HttpServerOptions options;
  options.max_connections = 1;
  Start(std::move(options));
  auto first = std::make_unique<SocketForTesting>(server_->port());
  first->Send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  first->ReadUntil("GET /1 ");
  SocketForTesting second(server_->port());
  second.Send("GET /2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(server_->connection_count(), 1u);
  first.reset();
  EXPECT_THAT(second.ReadToEnd(), EndsWith("GET /2 "));
}

}  // namespace
}  // namespace khtrace::net
