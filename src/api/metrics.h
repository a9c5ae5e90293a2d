// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/executor.h"
#include "net/http_router.h"
#include "telemetry/metrics.h"

namespace khtrace::api {

// `/metrics` in Prometheus' text format, rendered on `cpu`. Both must outlive
// the router.
void RegisterMetrics(net::HttpRouter& router,
                     const telemetry::Registry& registry, Executor& cpu);

}  // namespace khtrace::api
