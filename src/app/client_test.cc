// SPDX-License-Identifier: Apache-2.0
#include "app/client.h"

#include <gtest/gtest.h>

namespace khtrace::app {
namespace {

std::string Parsed(std::string_view text) {
  const auto endpoint = ParseEndpoint(text, 4318);
  return endpoint ? endpoint->ToString() : endpoint.error().message;
}

TEST(Endpoint, TakesUrlsHostsAndPorts) {
  EXPECT_EQ(Parsed("http://10.0.0.7:80/"), "10.0.0.7:80");
  EXPECT_EQ(Parsed("collector"), "collector:4318");
  EXPECT_EQ(Parsed("http://[::1]:9"), "[::1]:9");
  EXPECT_EQ(Parsed("[::1]"), "[::1]:4318");
}

TEST(Endpoint, RefusalsNameTheFlagAndTheText) {
  EXPECT_EQ(Parsed("https://a"),
            "--endpoint 'https://a': https is not spoken here; use http");
  EXPECT_EQ(Parsed("http://a/v1/traces"),
            "--endpoint 'http://a/v1/traces': a path is not expected, only "
            "http://host:port");
  EXPECT_EQ(Parsed("a:0"), "--endpoint 'a:0': the port must be 1 to 65535");
  EXPECT_EQ(Parsed("a:99999"),
            "--endpoint 'a:99999': the port must be 1 to 65535");
  EXPECT_EQ(Parsed(""), "--endpoint '': the host is missing");
  EXPECT_EQ(Parsed("[::1"), "--endpoint '[::1': ']' is missing");
}

TEST(Endpoint, PortOffsetShiftsTheDefaultOnly) {
  const auto chosen = [](const char* endpoint, int offset) {
    return ChooseEndpoint({.endpoint = endpoint, .port_offset = offset}, 4318);
  };
  EXPECT_EQ(chosen("", 1000)->ToString(), "127.0.0.1:5318");
  EXPECT_EQ(chosen("a:7", 1000)->ToString(), "a:7");
  EXPECT_FALSE(chosen("", 65000));
}

TEST(Endpoint, RefusesATokenOrTenantThatNoHeaderCarries) {
  EXPECT_EQ(ChooseEndpoint({.token = "a", .tenant = "b"}, 1)->token, "a");
  EXPECT_FALSE(ChooseEndpoint({.token = "a\r\nHost: b"}, 1));
  EXPECT_FALSE(ChooseEndpoint({.tenant = "a b"}, 1));
}

TEST(Endpoint, SaysWhyNothingAnswers) {
  EXPECT_EQ(Unreachable({.port = 4318}, {Code::kUnavailable,
                                         "cannot connect to "
                                         "127.0.0.1:4318: connection "
                                         "refused"})
                .message,
            "cannot reach 127.0.0.1:4318: connection refused — is `khtrace "
            "serve` running?");
}

}  // namespace
}  // namespace khtrace::app
