// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace khtrace::net {

// "127.0.0.1:80", "[::1]:80"; an empty host is 0.0.0.0.
std::string HostPort(const std::string& host, uint16_t port);

// "cannot listen on 127.0.0.1:4318: address already in use (another one is
// chosen with <port_option>)". `system_error` is an errno value.
Error ListenError(const std::string& host, uint16_t port,
                  const std::string& port_option, int system_error);

}  // namespace khtrace::net
