// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "model/span_batch.h"
#include "query/metrics.h"
#include "query/search.h"

// TraceQL, evaluated span by span over whole traces as its definition reads:
// the oracle that the real execution is held to. No index, no shortcut. The
// newest traces come first, and the search ends with the last trace that it
// may tell, so that what it does not reach cannot fail it. It leaves out what
// is about cost: max_bytes, and hints that ask for samples.

namespace khtrace::query::reference {

// `traces`: each whole, ordered by (start, span id, kind), as GetTrace gives
// them.
Result<SearchResult> Search(std::span<const model::SpanBatchPtr> traces,
                            const SearchRequest& request);
Result<MetricsResult> RunMetrics(std::span<const model::SpanBatchPtr> traces,
                                 const MetricsRequest& request);

}  // namespace khtrace::query::reference
