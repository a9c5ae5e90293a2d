// SPDX-License-Identifier: Apache-2.0
#include "alerting/notify_policy.h"

namespace khtrace::alerting {

Tell WhatToTell(const Alert& alert, bool silenced,
                std::chrono::nanoseconds repeat, UnixNanos now) {
  const Phase phase = alert.state.phase;
  if (!IsFiring(phase)) {
    return IsFiring(alert.notified) ? Tell::kResolved : Tell::kNothing;
  }
  if (silenced) return Tell::kNothing;
  if (phase != alert.notified) return Tell::kFiring;
  const bool due = repeat.count() > 0 && IsDue(alert.notified_at, repeat, now);
  return due && !alert.acknowledged ? Tell::kFiring : Tell::kNothing;
}

}  // namespace khtrace::alerting
