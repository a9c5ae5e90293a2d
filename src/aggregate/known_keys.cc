// SPDX-License-Identifier: Apache-2.0
#include "aggregate/known_keys.h"

#include <algorithm>
#include <array>

namespace khtrace::aggregate {

KnownKey KnownKeyOf(std::string_view key) {
  static constexpr std::array<std::string_view, kKnownKeys> kNames = {
      "db.system.name",    "db.system",
      "messaging.system",  "messaging.destination.name",
      "peer.service",      "server.address",
      "net.peer.name",     "exception.type",
      "exception.message", "exception.stacktrace",
      "error.type",        "sampling.ratio"};
  const auto name = std::find(kNames.begin(), kNames.end(), key);
  return static_cast<KnownKey>(name - kNames.begin());
}

}  // namespace khtrace::aggregate
