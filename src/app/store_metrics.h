// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/columnar/columnar_store.h"
#include "telemetry/metrics.h"

namespace khtrace::app {

// khtrace_store_*: what the store did since it was opened. `store` must
// outlive whoever renders.
void AddStoreMetrics(const storage::columnar::ColumnarStore& store,
                     telemetry::Registry& registry);

}  // namespace khtrace::app
