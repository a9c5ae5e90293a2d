// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

#include "alerting/engine_state.h"
#include "base/clock.h"

namespace khtrace::alerting {

enum class Tell : uint8_t { kNothing, kFiring, kResolved };

// What webhooks are to be told of an alert now. Pure.
// - Once when it fires, and when it gets worse or better while it fires
//   (critical takes the place of alert: never both).
// - Again after `repeat` (0: never), unless it is acknowledged.
// - Once when it is over, if they had been told of it; silenced or not.
// - Nothing else while it is silenced. What still fires afterwards is told.
Tell WhatToTell(const Alert& alert, bool silenced,
                std::chrono::nanoseconds repeat, UnixNanos now);

// `every` has passed since `last`. Also if `last` is to come: the clock was set
// back, and waiting for it to catch up could take days.
inline bool IsDue(UnixNanos last, std::chrono::nanoseconds every,
                  UnixNanos now) {
  return now < last || now >= last.Plus(every);
}

}  // namespace khtrace::alerting
