// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <string>

#include "alerting/engine.h"
#include "telemetry/metrics.h"

namespace khtrace::alerting {

// What the engine counts about itself.
struct Engine::Metrics {
  explicit Metrics(telemetry::Registry& registry)
      : evaluations(registry.AddCounter("khtrace_alert_evaluations_total",
                                        "Alert rules evaluated")),
        failures(registry.AddCounter(
            "khtrace_alert_evaluation_failures_total",
            "Alert rules that could not be evaluated, or not in time")),
        too_many(registry.AddCounter(
            "khtrace_alert_instances_dropped_total",
            "Measurements beyond a threshold that were left out since their "
            "tenant has 10000 such instances")),
        save_failures(registry.AddCounter(
            "khtrace_alert_state_save_failures_total",
            "Times that the state of alerts could not be written")),
        rounds(registry.AddHistogram("khtrace_alert_round_seconds",
                                     "Evaluation of all alert rules once", {},
                                     telemetry::LatencyBoundsSeconds())) {
    for (size_t i = 0; i < by_phase.size(); ++i) {
      by_phase[i] = &registry.AddGauge(
          "khtrace_alerts", "Instances of alert rules by state",
          {{"state", std::string(PhaseName(static_cast<Phase>(i)))}});
    }
  }

  void NoteEvaluation(bool ok) {
    evaluations.Add();
    if (!ok) failures.Add();
  }
  void NoteTooMany() { too_many.Add(); }
  void NoteRound(std::chrono::nanoseconds took) {
    rounds.Observe(std::chrono::duration<double>(took).count());
  }

  telemetry::Counter& evaluations;
  telemetry::Counter& failures;
  telemetry::Counter& too_many;
  telemetry::Counter& save_failures;
  telemetry::Histogram& rounds;
  std::array<telemetry::Gauge*, 4> by_phase{};
};

}  // namespace khtrace::alerting
