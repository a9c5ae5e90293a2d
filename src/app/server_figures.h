// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/tracing.h"
#include "telemetry/metrics.h"

namespace khtrace::app {

// What the counters say of every receiver and of the store, from the metrics
// that also go to Prometheus. Thread-safe.
api::ServerFigures ReadServerFigures(const telemetry::Registry& registry);

}  // namespace khtrace::app
