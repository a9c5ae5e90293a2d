// SPDX-License-Identifier: Apache-2.0
#include "app/target_metrics.h"

#include <chrono>

namespace khtrace::app {

void AddTargetMetrics(const analysis::AnalysisOptions& options,
                      telemetry::Registry& registry) {
  for (const analysis::Category& category : options.categories) {
    const auto add = [&](const char* level, std::chrono::nanoseconds value) {
      registry
          .AddGauge("perf_target_seconds",
                    "What the 95th percentile of a category's operations is "
                    "compared with",
                    {{"category", category.name}, {"level", level}})
          .Set(std::chrono::duration<double>(value).count());
    };
    add("target", category.targets.target);
    add("alert", category.targets.alert);
    add("critical", category.targets.critical);
  }
}

}  // namespace khtrace::app
