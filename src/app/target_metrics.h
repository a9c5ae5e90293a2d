// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "analysis/options.h"
#include "telemetry/metrics.h"

namespace khtrace::app {

// perf_target_seconds{category,level}: what each category of operations is
// held to, for lines in charts.
void AddTargetMetrics(const analysis::AnalysisOptions& options,
                      telemetry::Registry& registry);

}  // namespace khtrace::app
