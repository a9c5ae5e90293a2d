// SPDX-License-Identifier: Apache-2.0
#include "net/listen_error.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace khtrace::net {

std::string HostPort(const std::string& host, uint16_t port) {
  if (host.empty()) return fmt::format("0.0.0.0:{}", port);
  if (host.find(':') == std::string::npos) {
    return fmt::format("{}:{}", host, port);
  }
  return fmt::format("[{}]:{}", host, port);
}

Error ListenError(const std::string& host, uint16_t port,
                  const std::string& port_option, int system_error) {
  std::string message =
      fmt::format("cannot listen on {}: {}", HostPort(host, port),
                  system_error == EADDRINUSE
                      ? "address already in use"
                      : std::generic_category().message(system_error));
  if (!port_option.empty()) {
    message += fmt::format(" (another one is chosen with {})", port_option);
  }
  return {Code::kUnavailable, std::move(message)};
}

}  // namespace khtrace::net
