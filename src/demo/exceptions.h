// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "demo/rng.h"
#include "demo/services.h"

namespace khtrace::demo {

// What went wrong, whatever the language calls it.
enum class Fault : uint8_t {
  kTimeout,
  kConnectionReset,
  kDeadlock,
  kBadState,  // a bug in the service itself
  kUpstream,  // something that it called has failed
  kRateLimited,
};

// exception.type, as the language names it.
std::string_view ExceptionType(Language language, Fault fault);
// exception.message; `peer` is whom the service was talking to.
std::string ExceptionMessage(Fault fault, std::string_view peer, Rng& rng);
// exception.stacktrace, some 500 to 900 bytes in the language's own layout.
std::string StackTrace(Language language, std::string_view type,
                       std::string_view message, std::string_view service,
                       Rng& rng);

}  // namespace khtrace::demo
