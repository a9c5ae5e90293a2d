// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>

#include "base/mutex.h"
#include "model/ids.h"
#include "model/span_batch.h"

namespace khtrace::pipeline {

// Tells new traces from those seen a moment ago, for counting. Remembers the
// latest kTraces at least and twice as many at most. Guarded.
class RecentTraces {
 public:
  // Returns how many of the batch's trace ids it did not know.
  uint64_t Observe(const model::SpanBatch& batch);

 private:
  using Ids = boost::unordered_flat_set<model::TraceId, model::TraceIdHash>;
  // 16 bytes each, two generations: some 5 MB when full. A trace that goes on
  // after this many others began is counted once more.
  static constexpr size_t kTraces = 128 * 1024;

  Mutex mu_;
  Ids current_ KHTRACE_GUARDED_BY(mu_);
  Ids previous_ KHTRACE_GUARDED_BY(mu_);
};

}  // namespace khtrace::pipeline
