// SPDX-License-Identifier: Apache-2.0
#include "app/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "app/commands.h"
#include "app/flags.h"
#include "app/terminal.h"
#include "base/request_context.h"

namespace khtrace::app {
namespace {

Error BadEndpoint(std::string_view text, std::string_view why) {
  return {Code::kInvalidArgument,
          fmt::format("--endpoint '{}': {}", text, why)};
}

std::optional<uint16_t> ParsePort(std::string_view text) {
  uint32_t port = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc() || at != end || port < 1 || port > 65535) {
    return std::nullopt;
  }
  return static_cast<uint16_t>(port);
}

}  // namespace

std::string Endpoint::ToString() const {
  const bool v6 = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

Result<Endpoint> ParseEndpoint(std::string_view text, uint16_t default_port) {
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    return BadEndpoint(text, "https is not spoken here; use http");
  }
  if (rest.starts_with("http://")) rest.remove_prefix(7);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find('/') != rest.npos) {
    return BadEndpoint(text, "a path is not expected, only http://host:port");
  }
  Endpoint endpoint{.host = {}, .port = default_port};
  size_t colon = rest.rfind(':');
  if (rest.starts_with('[')) {
    const size_t close = rest.find(']');
    if (close == rest.npos) return BadEndpoint(text, "']' is missing");
    endpoint.host = rest.substr(1, close - 1);
    if (close + 1 != rest.size() && rest[close + 1] != ':') {
      return BadEndpoint(text, "':' is expected behind ']'");
    }
    colon = close + 1 < rest.size() ? close + 1 : rest.npos;
  } else {
    endpoint.host = rest.substr(0, colon);
  }
  if (endpoint.host.empty()) return BadEndpoint(text, "the host is missing");
  if (colon != rest.npos) {
    const auto port = ParsePort(rest.substr(colon + 1));
    if (!port) return BadEndpoint(text, "the port must be 1 to 65535");
    endpoint.port = *port;
  }
  return endpoint;
}

void AddIdentityFlags(Command& command, ClientFlags* flags) {
  command
      .Text("--token", &flags->token,
            "Bearer token, where the server wants one")
      .Environment("KHTRACE_TOKEN");
  command
      .Text("--tenant", &flags->tenant,
            "Tenant (X-Scope-OrgID), where the server has several")
      .Environment("KHTRACE_TENANT");
}

void AddClientFlags(Command& command, std::string_view door, uint16_t port,
                    ClientFlags* flags) {
  command.Text("--endpoint", &flags->endpoint,
               fmt::format("{} of the server (default "
                           "http://127.0.0.1:{})",
                           door, port));
  command.Number("--port-offset", &flags->port_offset,
                 "Added to the default port, as for khtrace serve");
  AddIdentityFlags(command, flags);
}

Result<Endpoint> ChooseEndpoint(const ClientFlags& flags,
                                uint16_t default_port) {
  const int port = default_port + flags.port_offset;
  if (port < 1 || port > 65535) {
    return Error{Code::kInvalidArgument,
                 fmt::format("--port-offset {} makes port {} of {}; ports are "
                             "1 to 65535",
                             flags.port_offset, port, default_port)};
  }
  const bool sendable = std::all_of(flags.token.begin(), flags.token.end(),
                                    [](char c) { return c > ' ' && c < 0x7f; });
  if (!sendable) {
    return Error{Code::kInvalidArgument,
                 "--token: has a blank or another character that no header "
                 "can carry"};
  }
  if (!flags.tenant.empty()) RETURN_IF_ERROR(ValidateTenant(flags.tenant));
  Endpoint endpoint{.port = static_cast<uint16_t>(port)};
  if (!flags.endpoint.empty()) {
    ASSIGN_OR_RETURN(endpoint, ParseEndpoint(flags.endpoint, endpoint.port));
  }
  endpoint.token = flags.token;
  endpoint.tenant = flags.tenant;
  return endpoint;
}

net::HttpClient ConnectTo(const Endpoint& endpoint) {
  net::HttpClientOptions options;
  options.host = endpoint.host;
  options.port = endpoint.port;
  if (!endpoint.token.empty()) {
    options.headers.Set("Authorization", "Bearer " + endpoint.token);
  }
  if (!endpoint.tenant.empty()) {
    options.headers.Set("X-Scope-OrgID", endpoint.tenant);
  }
  return net::HttpClient(std::move(options));
}

Error Refused(const Endpoint& endpoint, const net::HttpResponse& answer) {
  std::string_view hint;
  if (answer.status == 401) {
    hint = "; --token or KHTRACE_TOKEN says who asks, --tenant for whom";
  }
  return {Code::kUnavailable,
          fmt::format("{} answered {}: {}{}", endpoint.ToString(),
                      answer.status, AnswerExcerpt(answer.body), hint)};
}

Error Unreachable(const Endpoint& endpoint, Error error) {
  if (error.code != Code::kUnavailable) {
    return std::move(error).With(endpoint.ToString());
  }
  // "cannot connect to host:port: connection refused"
  const size_t reason = error.message.rfind(": ");
  return {Code::kUnavailable,
          fmt::format("cannot reach {}: {} — is `khtrace serve` running?",
                      endpoint.ToString(),
                      reason == std::string::npos
                          ? error.message
                          : error.message.substr(reason + 2))};
}

std::string AnswerExcerpt(std::string_view body) {
  while (!body.empty() && (body.back() == '\n' || body.back() == ' ')) {
    body.remove_suffix(1);
  }
  return Printable({}, body.substr(0, 200));
}

int ExitCodeOf(std::string_view command, const Status& outcome) {
  if (outcome) return kExitOk;
  const Error& error = outcome.error();
  fmt::print(stderr, "khtrace {}: {}\n", command, error.message);
  return error.code == Code::kInvalidArgument ? kExitUsage : kExitFailure;
}

}  // namespace khtrace::app
