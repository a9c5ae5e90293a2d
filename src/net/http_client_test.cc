// SPDX-License-Identifier: Apache-2.0
#include "net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "net/http_server.h"
#include "net/net_testing.h"

namespace khtrace::net {
namespace {

using namespace std::chrono_literals;
using ::testing::StartsWith;

// Accepts connections one after the other, says the same on each, and closes.
class CannedServer {
 public:
  CannedServer(std::string answer, int connections) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(fd_, 8), 0);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, answer = std::move(answer), connections] {
      for (int i = 0; i < connections; ++i) {
        const int peer = ::accept(fd_, nullptr, nullptr);
        char request[4096];
        (void)!::recv(peer, request, sizeof(request), 0);
        (void)!::send(peer, answer.data(), answer.size(), MSG_NOSIGNAL);
        ::close(peer);
      }
    });
  }
  ~CannedServer() {
    thread_.join();
    ::close(fd_);
  }
  CannedServer(const CannedServer&) = delete;
  CannedServer& operator=(const CannedServer&) = delete;
  uint16_t port() const { return port_; }

 private:
  int fd_;
  uint16_t port_;
  std::thread thread_;
};

TEST(HttpClient, ReadsChunkedAnswers) {
  const CannedServer server(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nT: 1\r\n\r\n",
      1);
  auto response = HttpClient({.port = server.port()}).Get("/");
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "hello!");
}

TEST(HttpClient, ReadsAnswersThatEndWithTheConnection) {
  const CannedServer server("HTTP/1.0 200 OK\r\n\r\nall of it", 1);
  EXPECT_EQ(HttpClient({.port = server.port()}).Get("/")->body, "all of it");
}

TEST(HttpClient, ConnectsAgainWhenAKeptConnectionIsDead) {
  const CannedServer server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                            2);
  HttpClient client({.port = server.port()});
  EXPECT_EQ(client.Get("/")->body, "ok");
  EXPECT_EQ(client.Get("/")->body, "ok");
}

TEST(HttpClient, ReportsAnswersCutShortAndMalformed) {
  const CannedServer cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", 1);
  auto response = HttpClient({.port = cut.port()}).Get("/");
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::kDataLoss);
  const CannedServer odd("SSH-2.0-x\r\n", 1);
  response = HttpClient({.port = odd.port()}).Get("/");
  ASSERT_FALSE(response);
  EXPECT_THAT(response.error().message, StartsWith("malformed status line"));
}

TEST(HttpClient, RefusesAnswersOverItsLimit) {
  const CannedServer server("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", 1);
  auto response =
      HttpClient({.port = server.port(), .max_response_bytes = 10}).Get("/");
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::kResourceExhausted);
}

TEST(HttpClient, ReportsAClosedPortAndASilentServer) {
  uint16_t closed_port;
  {
    const CannedServer server("", 0);
    closed_port = server.port();
  }
  auto response = HttpClient({.port = closed_port}).Get("/");
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::kUnavailable);
  EXPECT_THAT(response.error().message, StartsWith("cannot connect to 127.0"));

  IoRuntime runtime(1);
  HttpRespond parked;
  auto server = HttpServer::Start(
      {}, [&](const HttpRequest&, HttpRespond r) { parked = std::move(r); },
      runtime);
  ASSERT_TRUE(server);
  response =
      HttpClient({.port = (*server)->port(), .request_timeout = 30ms}).Get("/");
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::kDeadlineExceeded);
  (*server)->Stop(0s);
  parked = nullptr;
}

}  // namespace
}  // namespace khtrace::net
