// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>

#include "net/http_client.h"
#include "net/http_server.h"
#include "net/net_testing.h"

namespace khtrace::net {
namespace {

using namespace std::chrono_literals;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpLimitsTest : public ::testing::Test {
 protected:
  void Start(
      HttpServerOptions options,
      HttpHandler handler = [](auto request, auto respond) {
        respond({.body = fmt::format("{}", request.body.size())});
      }) {
    auto server =
        HttpServer::Start(std::move(options), std::move(handler), runtime_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
  }
  std::string Exchange(std::string_view bytes) {
    SocketForTesting socket(server_->port());
    socket.Send(bytes);
    return socket.ReadToEnd();
  }

  IoRuntime runtime_{2};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpLimitsTest, RefusesALongContentLengthBeforeTheBody) {
  HttpServerOptions options;
  options.max_body_bytes = 1000;
  Start(options);
  const std::string answer =
      Exchange("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("request body of 1001 bytes is larger than the "
                               "limit of 1000 bytes\n"));
}

TEST_F(HttpLimitsTest, DeliversTheRefusalToAClientThatKeepsSending) {
  HttpServerOptions options;
  options.max_body_bytes = 1000;
  Start(options);
  HttpClient client({.port = server_->port()});
  const auto response =
      client.Post("/", std::string(8u << 20, 'x'), "text/plain");
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 413);
}

TEST_F(HttpLimitsTest, RefusesAChunkedBodyAsItPassesTheLimit) {
  HttpServerOptions options;
  options.max_body_bytes = 1000;
  Start(options);
  const std::string head =
      "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  const std::string chunk = "1f4\r\n" + std::string(500, 'x') + "\r\n";
  EXPECT_THAT(Exchange(head + chunk + chunk + "0\r\n\r\n"), EndsWith("1000"));
  const std::string answer = Exchange(head + chunk + chunk + "1\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(answer, EndsWith("request body larger than 1000 bytes\n"));
}

TEST_F(HttpLimitsTest, RefusesALargeHeader) {
  HttpServerOptions options;
  options.max_header_bytes = 8000;
  Start(options);
  const std::string head = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n";
  EXPECT_THAT(Exchange(head + "A: " + std::string(7000, 'a') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Exchange(head + "A: " + std::string(9000, 'a') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(Exchange("GET /" + std::string(100'000, 'a')),
              StartsWith("HTTP/1.1 431 "));
}

TEST_F(HttpLimitsTest, RefusesWhatIsNotHttp) {
  Start({});
  EXPECT_THAT(Exchange("NONSENSE\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Exchange("GET / HTTP/1.1\r\n\r\n"),
              EndsWith("missing Host header\n"));
  EXPECT_THAT(Exchange("GET / HTTP/3.0\r\nHost: h\r\n\r\n"),
              StartsWith("HTTP/1.1 505 "));
  EXPECT_THAT(Exchange("POST / HTTP/1.1\r\nHost: h\r\n"
                       "Transfer-Encoding: gzip\r\n\r\n"),
              StartsWith("HTTP/1.1 501 "));
  EXPECT_THAT(Exchange("POST / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n\r\n"),
              StartsWith("HTTP/1.1 417 "));
}

TEST_F(HttpLimitsTest, RefusesTwoFramingsOfOneBody) {
  Start({});
  EXPECT_THAT(Exchange("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Exchange("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
                       "Content-Length: 6\r\n\r\nhello"),
              StartsWith("HTTP/1.1 400 "));
}

TEST_F(HttpLimitsTest, TimesOutSlowHeadersAndBodiesAndIdleConnections) {
  HttpServerOptions options;
  options.header_timeout = 50ms;
  options.body_timeout = 50ms;
  options.idle_timeout = 50ms;
  Start(options);
  SocketForTesting silent(server_->port());
  SocketForTesting slow_head(server_->port());
  SocketForTesting slow_body(server_->port());
  SocketForTesting idle(server_->port());
  slow_head.Send("GET / HTTP/1.1\r\nHo");
  slow_body.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc");
  idle.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(silent.AtEnd());
  EXPECT_THAT(slow_head.ReadUntil("\r\n"), StartsWith("HTTP/1.1 408 "));
  EXPECT_THAT(slow_body.ReadUntil("\r\n"), StartsWith("HTTP/1.1 408 "));
  EXPECT_THAT(idle.ReadToEnd(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpLimitsTest, BoundsTheBodiesOfAllConnectionsTogether) {
  HttpServerOptions options;
  options.max_body_bytes_in_flight = 1500;
  std::promise<HttpRespond> parked;
  Start(options, [&parked](HttpRequest request, HttpRespond respond) {
    if (request.target == "/park") return parked.set_value(respond);
    respond({.body = "ok"});
  });
  SocketForTesting first(server_->port());
  const std::string body(1000, 'x');
  first.Send("POST /park HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n" +
             body);
  HttpRespond respond = parked.get_future().get();

  HttpClient client({.port = server_->port()});
  auto refused = client.Post("/", body, "text/plain");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->headers.Get("retry-after"), "1");
  EXPECT_EQ(client.Post("/", "small", "text/plain")->status, 200);

  respond({});
  first.ReadUntil("\r\n\r\n");
  EXPECT_EQ(client.Post("/", body, "text/plain")->status, 200);
}

TEST_F(HttpLimitsTest, AsksTheHookForTheBodyOfItsErrors) {
  HttpServerOptions options;
  options.max_body_bytes = 10;
  options.error_body = [](int status, std::string_view message,
                          const HttpRequest* partial) {
    return JsonResponse(
        status, fmt::format("{{\"path\":\"{}\",\"message\":\"{}\"}}",
                            partial == nullptr ? "" : partial->path, message));
  };
  Start(std::move(options));
  EXPECT_THAT(
      Exchange("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n"),
      EndsWith("{\"path\":\"/p\",\"message\":\"request body of 11 bytes is "
               "larger than the limit of 10 bytes\"}"));
  EXPECT_THAT(Exchange("?\r\n\r\n"), HasSubstr("{\"path\":\"\""));
}

}  // namespace
}  // namespace khtrace::net
