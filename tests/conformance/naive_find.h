// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "model/span_batch.h"
#include "query/find_traces.h"

// The reference of query::FindTraces, one span after the other: small and
// obviously right.

namespace khtrace::conformance {

struct FoundTrace {
  model::TraceId trace_id;
  UnixNanos start;  // of its earliest span, whether it fits or not

  bool operator==(const FoundTrace&) const = default;
};

bool Meets(const query::SpanCondition& condition, const model::SpanBatch& batch,
           model::RowIndex row);

// The newest `request.limit` traces of `batches` in which one span fits,
// newest first, equal ones by id. The same batch may come twice.
std::vector<FoundTrace> NaiveFind(std::span<const model::SpanBatchPtr> batches,
                                  const query::FindRequest& request);

}  // namespace khtrace::conformance
