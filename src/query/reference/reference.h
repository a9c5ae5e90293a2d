// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "model/span_batch.h"
#include "query/metrics.h"
#include "query/search.h"

// TraceQL, evaluated span by span over whole traces as its definition reads:
// the oracle that the real execution is held to. No index, no shortcut. The
// traces come in the order asked for, and the search ends with the last one
// that it may tell or count, so that what it does not reach cannot fail it. It
// leaves out what is about cost or goes on elsewhere: max_bytes and cursors.
// A sample whose share is to be found out is everything, as it is where there
// is little.

namespace khtrace::query::reference {

// `traces`: each whole, ordered by (start, span id, kind), as GetTrace gives
// them.
Result<SearchResult> Search(std::span<const model::SpanBatchPtr> traces,
                            const SearchRequest& request);
Result<MetricsResult> RunMetrics(std::span<const model::SpanBatchPtr> traces,
                                 const MetricsRequest& request);

}  // namespace khtrace::query::reference
