// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/clock.h"
#include "telemetry/metrics.h"

namespace khtrace::app {

// The Collector's otelcol_process_* metrics, read from /proc when asked for.
void AddProcessMetrics(const Clock& clock, telemetry::Registry& registry);

}  // namespace khtrace::app
