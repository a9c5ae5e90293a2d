// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "model/span_batch.h"
#include "query/metrics.h"
#include "query/search.h"

// TraceQL, evaluated span by span over whole traces as its definition reads:
// the oracle that the real execution is held to. No index, no shortcut.

namespace khtrace::query::reference {

// `traces`: each whole, ordered by (start, span id, kind), as GetTrace gives
// them.
Result<SearchResult> Search(std::span<const model::SpanBatchPtr> traces,
                            const SearchRequest& request);
Result<MetricsResult> RunMetrics(std::span<const model::SpanBatchPtr> traces,
                                 const MetricsRequest& request);

}  // namespace khtrace::query::reference
