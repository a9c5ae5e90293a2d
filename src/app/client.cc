// SPDX-License-Identifier: Apache-2.0
#include "app/client.h"

#include <fmt/format.h>

#include <charconv>

#include "app/commands.h"
#include "app/terminal.h"

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

Result<Endpoint> ChooseEndpoint(std::string_view endpoint_flag, int port_offset,
                                uint16_t default_port) {
  const int port = default_port + port_offset;
  if (port < 1 || port > 65535) {
    return Error{Code::kInvalidArgument,
                 fmt::format("--port-offset {} makes port {} of {}; ports are "
                             "1 to 65535",
                             port_offset, port, default_port)};
  }
  if (endpoint_flag.empty()) {
    return Endpoint{.port = static_cast<uint16_t>(port)};
  }
  return ParseEndpoint(endpoint_flag, static_cast<uint16_t>(port));
}

net::HttpClient ConnectTo(const Endpoint& endpoint) {
  net::HttpClientOptions options;
  options.host = endpoint.host;
  options.port = endpoint.port;
  return net::HttpClient(std::move(options));
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

int ReportError(std::string_view command, const Error& error) {
  fmt::print(stderr, "khtrace {}: {}\n", command, error.message);
  return error.code == Code::kInvalidArgument ? kExitUsage : kExitFailure;
}

}  // namespace khtrace::app
