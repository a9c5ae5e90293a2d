// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/mutex.h"
#include "storage/columnar/aggregate_budget.h"
#include "storage/columnar/store_context.h"
#include "storage/columnar/store_upkeep.h"
#include "storage/columnar/tenant_store.h"
#include "storage/trace_store.h"

namespace khtrace::storage::columnar {

// The embedded trace store on a directory (docs/format/data-directory.md).
// Thread-safe. Write compacts and encodes in the calling thread: call it on
// the CPU pool.
class ColumnarStore : public TraceStore {
 public:
  // Makes or opens options.data_dir and recovers every tenant in it. `fs`,
  // `clock` and the executors outlive the store; the executors still run
  // while Close() waits, and are not one single thread. A full disk is no
  // error here: writes are refused until there is room.
  // kInvalidArgument: bad options. kPermissionDenied, kUnavailable: the
  // directory cannot be used; names the path. kFailedPrecondition: another
  // process has it, or it holds something else. kUnimplemented: a newer
  // version wrote it.
  static Result<std::unique_ptr<ColumnarStore>> Open(
      const StoreOptions& options, Fs& fs, const Clock& clock,
      const StoreExecutors& executors);
  // Closes if that was not done.
  ~ColumnarStore() override;

  void Write(const RequestContext& context, model::SpanBatchPtr batch,
             Done done) override;

  // `hint` is not needed: a part's trace index answers at once.
  Result<model::SpanBatchPtr> GetTrace(const RequestContext& context,
                                       const model::TraceId& id,
                                       const TimeHint& hint = {}) override;
  Result<std::vector<std::string>> Services(
      const RequestContext& context) override;
  Result<std::vector<Operation>> Operations(const RequestContext& context,
                                            std::string_view service) override;
  // Reads parts that overlap the range or lie within an hour of it.
  Result<std::vector<DependencyEdge>> Dependencies(
      const RequestContext& context, UnixNanos start, UnixNanos end) override;
  Result<aggregate::Partial> Aggregate(
      const RequestContext& context, const AggregateRequest& request) override;
  Result<std::unique_ptr<FrameScan>> Scan(const RequestContext& context,
                                          const FrameRequest& request) override;
  Result<AttributeKeys> Keys(const RequestContext& context, UnixNanos start,
                             UnixNanos end) override;
  Result<StoreStats> Stats(const RequestContext& context) override;

  std::vector<std::string> Tenants() override;
  Status Close() override;

  // Moves every tenant's spans from memory to parts and waits.
  Status Flush();
  // What the background thread does, once. Quick: flushes, merges and checks
  // are only started. One call at a time.
  void RunMaintenance();
  const StoreCounters& counters() const { return context_.counters; }
  const DamageLog& damage() const { return context_.damage; }

 private:
  using TenantPtr = std::shared_ptr<TenantStore>;

  ColumnarStore(const StoreOptions& options, Fs& fs, const Clock& clock,
                const StoreExecutors& executors)
      : context_{options, fs, clock, executors, {}, {}},
        aggregate_budget_(options.aggregate_cache_bytes),
        disk_room_(context_),
        upkeep_(context_, [this] { return AllTenants(); }) {}
  Status Recover();
  void StartBackground();
  Result<TenantPtr> ForWriting(const std::string& tenant);
  // An empty view for a tenant without data; the errors of every call.
  Result<TenantView> ViewOf(const RequestContext& context);
  std::vector<TenantPtr> AllTenants() const;
  TenantPtr Find(const std::string& tenant) const;

  StoreContext context_;
  std::unique_ptr<FileLock> lock_;

  // Held while a tenant is made, which touches the disk: first writes of new
  // tenants wait for each other, nobody else does.
  Mutex opening_;
  mutable Mutex mu_;
  std::map<std::string, TenantPtr> tenants_ KHTRACE_GUARDED_BY(mu_);
  bool closed_ KHTRACE_GUARDED_BY(mu_) = false;

  AggregateBudget aggregate_budget_;
  DiskRoom disk_room_;
  StoreUpkeep upkeep_;
  std::optional<PeriodicThread> background_;
};

}  // namespace khtrace::storage::columnar
