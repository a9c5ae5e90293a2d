// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "alerting/measurement.h"
#include "base/clock.h"

// The life of one instance of a rule: ok -> pending -> alert -> critical -> ok.
// Pure functions: the same history gives the same state, live, after a restart
// and in a replay.

namespace khtrace::alerting {

enum class Phase : uint8_t { kOk, kPending, kAlert, kCritical };
std::string_view PhaseName(Phase phase);  // "pending"
std::optional<Phase> ParsePhase(std::string_view name);
inline bool IsFiring(Phase phase) { return phase >= Phase::kAlert; }

struct AlertState {
  Phase phase = Phase::kOk;
  UnixNanos since;  // in this phase
  // When it began to fire, and when that ended; 0: never.
  UnixNanos fired_at;
  UnixNanos resolved_at;
  // How long the value has been beyond each threshold, and (while firing)
  // within the one that it fires by. nullopt: it is not. Time without data
  // does not count.
  std::optional<std::chrono::nanoseconds> beyond_alert;
  std::optional<std::chrono::nanoseconds> beyond_critical;
  std::optional<std::chrono::nanoseconds> within_alert;
  std::optional<std::chrono::nanoseconds> within_critical;
  UnixNanos evaluated_at;  // 0: never
  // Why the last evaluation said nothing; "" if it said something.
  std::string no_data;

  bool operator==(const AlertState&) const = default;
};

// The state after a measurement at `now`. Time that goes back counts as none,
// and timers go on from there; of a longer time between two evaluations
// `longest_gap` counts: nobody knows what was in it, or the clock was set.
// - No data: phase and timers stay; `no_data` says why.
// - pending: beyond a threshold, but not for rule.hold yet.
// - alert, critical: beyond that threshold for rule.hold. Critical wins.
// - A firing instance goes down (critical to alert, or to ok) once the value is
//   clear of the threshold, or within it for rule.keep_firing.
AlertState Step(
    const AlertState& before, const Measurement& measurement, UnixNanos now,
    const Rule& rule,
    std::chrono::nanoseconds longest_gap = std::chrono::nanoseconds::max());

}  // namespace khtrace::alerting
