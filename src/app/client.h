// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_client.h"

// What the commands that talk to a running server have in common.

namespace khtrace::app {

// The server's doors (every one is shifted by --port-offset).
inline constexpr uint16_t kOtlpHttpPort = 4318;
inline constexpr uint16_t kOtlpGrpcPort = 4317;
inline constexpr uint16_t kTempoPort = 3200;
inline constexpr uint16_t kJaegerPort = 16686;
inline constexpr uint16_t kHealthPort = 13133;
inline constexpr uint16_t kMetricsPort = 8888;

struct Endpoint {
  std::string host = "127.0.0.1";
  uint16_t port = 0;

  std::string ToString() const;  // "127.0.0.1:4318", "[::1]:4318"
};

// "http://host:port", "host:port" or "host"; a missing port is `default_port`.
// kInvalidArgument names the flag --endpoint and the text; also for https,
// which the commands do not speak.
Result<Endpoint> ParseEndpoint(std::string_view text, uint16_t default_port);

// What --endpoint and --port-offset ask for: without --endpoint the door on
// this machine. kInvalidArgument when the port leaves 1 to 65535.
Result<Endpoint> ChooseEndpoint(std::string_view endpoint_flag, int port_offset,
                                uint16_t default_port);

net::HttpClient ConnectTo(const Endpoint& endpoint);

// Says in a user's words why there was no answer from `endpoint`.
Error Unreachable(const Endpoint& endpoint, Error error);

// The first 200 bytes of what a server says, on one line: for messages.
std::string AnswerExcerpt(std::string_view body);

// Prints "khtrace <command>: <message>" on stderr. kExitUsage for
// kInvalidArgument, else kExitFailure.
int ReportError(std::string_view command, const Error& error);

}  // namespace khtrace::app
