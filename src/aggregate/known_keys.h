// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "aggregate/partial_rows.h"

// The attributes that partials are made of.

namespace khtrace::aggregate {

enum KnownKey : uint8_t {
  kDbSystemName,
  kDbSystem,
  kMessagingSystem,
  kMessagingDestination,
  kPeerService,
  kServerAddress,
  kNetPeerName,
  kExceptionType,
  kExceptionMessage,
  kExceptionStacktrace,
  kErrorType,
  kSamplingRatio,
  kKnownKeys,
  kNoKey = kKnownKeys,
};

// kNoKey: any other.
KnownKey KnownKeyOf(std::string_view key);

// What an outgoing span calls. has(key): the span has this attribute as a
// string, whose text is text(key). Names of today first, then those of
// OpenTelemetry's older conventions (semantic-conventions v1.24: db.system,
// net.peer.name).
template <typename Has, typename Text>
Target TargetFrom(const Has& has, const Text& text) {
  const auto first = [&](std::initializer_list<KnownKey> keys) {
    for (const KnownKey key : keys) {
      if (has(key)) return text(key);
    }
    return TextId();
  };
  const TextId address = first({kServerAddress, kNetPeerName});
  if (has(kDbSystemName) || has(kDbSystem)) {
    return {TargetType::kDatabase, first({kDbSystemName, kDbSystem}), address};
  }
  if (has(kMessagingSystem)) {
    return {TargetType::kQueue, first({kMessagingSystem}),
            first({kMessagingDestination})};
  }
  if (has(kPeerService)) {
    return {TargetType::kExternal, first({kPeerService}), address};
  }
  return {TargetType::kExternal, address, {}};
}

}  // namespace khtrace::aggregate
