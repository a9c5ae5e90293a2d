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

class Command;

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
  // Who asks, where the server wants to know: a bearer token, a tenant.
  std::string token = {};
  std::string tenant = {};

  std::string ToString() const;  // "127.0.0.1:4318", "[::1]:4318"
};

// "http://host:port", "host:port" or "host"; a missing port is `default_port`.
// kInvalidArgument names the flag --endpoint and the text; also for https,
// which the commands do not speak.
Result<Endpoint> ParseEndpoint(std::string_view text, uint16_t default_port);

// Which server, and who asks.
struct ClientFlags {
  std::string endpoint = {};
  int port_offset = 0;
  std::string token = {};
  std::string tenant = {};
};

// --token and --tenant, with their environment variables.
void AddIdentityFlags(Command& command, ClientFlags* flags);
// Those, --endpoint and --port-offset. `door`: "Tempo API"; its default port
// is for the help.
void AddClientFlags(Command& command, std::string_view door, uint16_t port,
                    ClientFlags* flags);

// What the flags ask for: without --endpoint the door on this machine.
// kInvalidArgument when the port leaves 1 to 65535, or for a token or tenant
// that no request can carry.
Result<Endpoint> ChooseEndpoint(const ClientFlags& flags,
                                uint16_t default_port);

net::HttpClient ConnectTo(const Endpoint& endpoint);

// For an answer that is no success: its status and words, and what to do.
Error Refused(const Endpoint& endpoint, const net::HttpResponse& answer);

// Says in a user's words why there was no answer from `endpoint`.
Error Unreachable(const Endpoint& endpoint, Error error);

// The first 200 bytes of what a server says, on one line: for messages.
std::string AnswerExcerpt(std::string_view body);

// How a command ended. A failure is told on stderr as "khtrace <command>:
// <message>" and is kExitUsage for kInvalidArgument, else kExitFailure.
int ExitCodeOf(std::string_view command, const Status& outcome);

}  // namespace khtrace::app
