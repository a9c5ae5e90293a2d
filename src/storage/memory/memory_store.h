// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/mutex.h"
#include "storage/trace_store.h"

namespace khtrace::storage::memory {

// The reference TraceStore: keeps every batch and looks at every span for
// every question. For tests and small experiments: other backends must give
// the same answers. Of spans that are the same (trace id, span id, kind,
// start) the first one written counts. Thread-safe; guarded by one mutex.
class MemoryStore : public TraceStore {
 public:
  void Write(const RequestContext& context, model::SpanBatchPtr batch,
             Done done) override;

  Result<model::SpanBatchPtr> GetTrace(const RequestContext& context,
                                       const model::TraceId& id,
                                       const TimeHint& hint = {}) override;
  Result<std::vector<std::string>> Services(
      const RequestContext& context) override;
  Result<std::vector<Operation>> Operations(const RequestContext& context,
                                            std::string_view service) override;
  Result<std::vector<DependencyEdge>> Dependencies(
      const RequestContext& context, UnixNanos start, UnixNanos end) override;
  Result<aggregate::Partial> Aggregate(
      const RequestContext& context, const AggregateRequest& request) override;
  Result<std::unique_ptr<FrameScan>> Scan(const RequestContext& context,
                                          const FrameRequest& request) override;
  Result<AttributeKeys> Keys(const RequestContext& context, UnixNanos start,
                             UnixNanos end) override;
  Result<StoreStats> Stats(const RequestContext& context) override;
  Capabilities capabilities() const override {
    return {.survives_restart = false};
  }

  std::vector<std::string> Tenants() override;
  Status Close() override;

 private:
  using SpanKey =
      std::tuple<model::TraceId, UnixNanos, model::SpanId, model::SpanKind>;
  using Batches = std::vector<model::SpanBatchPtr>;
  struct Tenant {
    Batches batches;  // no span twice
    std::set<SpanKey> seen;
  };

  static SpanKey KeyOf(const model::SpanBatch& batch, model::RowIndex row);
  Status Store(const RequestContext& context, const model::SpanBatch& batch);
  // What `context` may see; its errors are those of every call.
  Result<Batches> Snapshot(const RequestContext& context);

  Mutex mu_;
  std::map<std::string, Tenant> tenants_ KHTRACE_GUARDED_BY(mu_);
  bool closed_ KHTRACE_GUARDED_BY(mu_) = false;
};

}  // namespace khtrace::storage::memory
