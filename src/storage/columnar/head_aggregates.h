// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <vector>

#include "aggregate/partial.h"
#include "base/mutex.h"
#include "base/request_context.h"
#include "storage/columnar/query_losses.h"

namespace khtrace::storage::columnar {

// Aggregates of a tenant's heads: kept from one question to the next, which
// has to look at the spans only that came in between, and at the traces that
// they belong to. Some 10 bytes a span of the heads, from the first question
// on, and until a question after the next cut. Thread-safe.
class HeadAggregates {
 public:
  // Merges to `result` what the whole traces in the view's heads tell more
  // than their pieces in the view's parts. Perhaps of some spans more that came
  // in after the view was taken. Errors: the context's.
  Status AddTo(const RequestContext& context, const TenantView& view,
               const aggregate::MergeOptions& options, QueryLosses* losses,
               aggregate::Partial* result) KHTRACE_EXCLUDES(mu_);

 private:
  // A span of the heads: of their batches counted from the first head's first.
  struct Place {
    uint32_t batch = 0;
    model::RowIndex row = 0;
  };
  struct Trace {
    std::vector<Place> spans;
    size_t counted = 0;  // of them; the rest came since
  };
  using Batches = std::vector<model::SpanBatchPtr>;

  void Reset() KHTRACE_REQUIRES(mu_);
  // Whether what is kept is of these parts, and of these heads or fewer or
  // more of them.
  bool Follows(const TenantView& view) const KHTRACE_REQUIRES(mu_);
  // Brings what is kept up to the view's heads.
  Status Update(const RequestContext& context, const TenantView& view,
                QueryLosses* losses) KHTRACE_REQUIRES(mu_);
  // The traces that batches from the `first` on belong to.
  std::vector<model::TraceId> AddSpans(const Batches& batches, size_t first)
      KHTRACE_REQUIRES(mu_);

  Mutex mu_;
  std::weak_ptr<const PartList> parts_ KHTRACE_GUARDED_BY(mu_);
  std::vector<std::weak_ptr<const HeadGeneration>> heads_
      KHTRACE_GUARDED_BY(mu_);
  size_t batches_ KHTRACE_GUARDED_BY(mu_) = 0;  // of them, looked at
  boost::unordered_flat_map<model::TraceId, Trace, model::TraceIdHash> traces_
      KHTRACE_GUARDED_BY(mu_);
  aggregate::Partial sum_ KHTRACE_GUARDED_BY(mu_);
};

}  // namespace khtrace::storage::columnar
