// SPDX-License-Identifier: Apache-2.0
#include "alerting/alert_state.h"

#include <algorithm>
#include <array>

namespace khtrace::alerting {
namespace {

using std::chrono::nanoseconds;

constexpr std::array<std::string_view, 4> kPhaseNames = {"ok", "pending",
                                                         "alert", "critical"};

// Since the last evaluation that said something; 0 if the last one did not.
nanoseconds Elapsed(const AlertState& before, UnixNanos now,
                    nanoseconds longest_gap) {
  if (before.evaluated_at.ns == 0 || !before.no_data.empty() ||
      now <= before.evaluated_at) {
    return nanoseconds(0);
  }
  return std::min(
      nanoseconds(static_cast<int64_t>(now.ns - before.evaluated_at.ns)),
      longest_gap);
}

// A condition's timer: it runs while the condition holds, from its first
// measurement on.
std::optional<nanoseconds> Track(const std::optional<nanoseconds>& before,
                                 bool holds, nanoseconds elapsed) {
  if (!holds) return std::nullopt;
  return before ? *before + elapsed : nanoseconds(0);
}

bool Reached(const std::optional<nanoseconds>& timer, nanoseconds limit) {
  return timer && *timer >= limit;
}

bool IsOver(const Verdict& verdict, const std::optional<nanoseconds>& within,
            const Rule& rule) {
  return verdict.clear || Reached(within, rule.keep_firing);
}

Phase NextPhase(const AlertState& state, const Measurement& measurement,
                const Rule& rule) {
  if (Reached(state.beyond_critical, rule.hold)) return Phase::kCritical;
  const bool alert_over =
      IsOver(measurement.alert_verdict, state.within_alert, rule);
  const bool critical_over =
      IsOver(measurement.critical_verdict, state.within_critical, rule);
  if (state.phase == Phase::kCritical && !critical_over) {
    return Phase::kCritical;
  }
  if (IsFiring(state.phase)) return alert_over ? Phase::kOk : Phase::kAlert;
  if (Reached(state.beyond_alert, rule.hold)) return Phase::kAlert;
  return state.beyond_alert || state.beyond_critical ? Phase::kPending
                                                     : Phase::kOk;
}

}  // namespace

std::string_view PhaseName(Phase phase) {
  return kPhaseNames[static_cast<size_t>(phase)];
}

std::optional<Phase> ParsePhase(std::string_view name) {
  for (size_t i = 0; i < kPhaseNames.size(); ++i) {
    if (kPhaseNames[i] == name) return static_cast<Phase>(i);
  }
  return std::nullopt;
}

AlertState Step(const AlertState& before, const Measurement& measurement,
                UnixNanos now, const Rule& rule, nanoseconds longest_gap) {
  AlertState state = before;
  // Also where it goes back: else timers would stand until it has caught up.
  state.evaluated_at = now;
  if (!measurement.value || !measurement.no_data.empty()) {
    state.no_data =
        measurement.no_data.empty() ? "no_spans" : measurement.no_data;
    return state;
  }
  state.no_data.clear();
  const nanoseconds elapsed = Elapsed(before, now, longest_gap);
  const Verdict& alert = measurement.alert_verdict;
  const Verdict& critical = measurement.critical_verdict;
  const bool firing = IsFiring(before.phase);
  state.beyond_alert = Track(before.beyond_alert, alert.breach, elapsed);
  state.beyond_critical =
      Track(before.beyond_critical, critical.breach, elapsed);
  state.within_alert =
      Track(before.within_alert, firing && !alert.breach, elapsed);
  state.within_critical =
      Track(before.within_critical, firing && !critical.breach, elapsed);
  const Phase next = NextPhase(state, measurement, rule);
  if (next == before.phase) return state;
  state.phase = next;
  state.since = now;
  if (IsFiring(next) && !firing) state.fired_at = now;
  if (!IsFiring(next) && firing) state.resolved_at = now;
  return state;
}

}  // namespace khtrace::alerting
