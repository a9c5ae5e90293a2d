// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/columnar_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "storage/columnar/data_directory.h"
#include "storage/columnar/tenant_query.h"

namespace khtrace::storage::columnar {
namespace {

// How often the background thread looks around. Smaller: flushes and
// retention come closer to their times, more wake-ups while idle.
constexpr std::chrono::seconds kMaintenanceInterval{1};

}  // namespace

Result<std::unique_ptr<ColumnarStore>> ColumnarStore::Open(
    const StoreOptions& options, Fs& fs, const Clock& clock,
    const StoreExecutors& executors) {
  std::vector<std::string> warnings;  // told when the configuration was read
  RETURN_IF_ERROR(options.Validate(&warnings));
  std::unique_ptr<ColumnarStore> store(
      new ColumnarStore(options, fs, clock, executors));
  Status recovered = store->Recover();
  if (!recovered) {
    return std::move(recovered).error().With("cannot open the data directory");
  }
  if (options.background_thread) store->StartBackground();
  return store;
}

ColumnarStore::~ColumnarStore() {
  const Status closed = Close();
  if (!closed) log::Error("{}", closed.error().message);
}

Status ColumnarStore::Recover() {
  const std::string& dir = context_.options.data_dir;
  ASSIGN_OR_RETURN(lock_, OpenDataDirectory(context_.fs, dir));
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListTenants(context_.fs, dir));
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(TenantPtr tenant,
                     TenantStore::Open(context_, TenantsDir(dir) + "/" + name));
    MutexLock lock(mu_);
    tenants_.emplace(name, std::move(tenant));
  }
  return {};
}

void ColumnarStore::StartBackground() {
  const StoreOptions& options = context_.options;
  std::chrono::nanoseconds interval = kMaintenanceInterval;
  if (options.wal.sync == WalSync::kInterval) {
    interval =
        std::min<std::chrono::nanoseconds>(interval, options.wal_sync_interval);
  }
  background_.emplace("store", [this, interval]() -> std::chrono::nanoseconds {
    RunMaintenance();
    return interval;
  });
}

void ColumnarStore::RunMaintenance() {
  const TenantList tenants = AllTenants();
  TenantPtr largest;
  for (const TenantPtr& tenant : tenants) {
    tenant->RunMaintenance();
    if (!largest || tenant->active_bytes() > largest->active_bytes()) {
      largest = tenant;
    }
  }
  // Many small heads can fill the memory without one of them being full.
  if (largest &&
      context_.counters.head_bytes >= context_.options.head_max_bytes) {
    largest->StartFlush();
  }
  std::vector<std::shared_ptr<AggregateCache>> caches;
  for (const TenantPtr& tenant : tenants) {
    caches.push_back(tenant->aggregates());
  }
  aggregate_budget_.Share(caches, context_.clock.Monotonic());
  disk_room_.Make(tenants);
  upkeep_.Tick();
}

ColumnarStore::TenantPtr ColumnarStore::Find(const std::string& tenant) const {
  MutexLock lock(mu_);
  const auto at = tenants_.find(tenant);
  return at == tenants_.end() ? nullptr : at->second;
}

std::vector<ColumnarStore::TenantPtr> ColumnarStore::AllTenants() const {
  MutexLock lock(mu_);
  std::vector<TenantPtr> all;
  for (const auto& [name, tenant] : tenants_) all.push_back(tenant);
  return all;
}

Result<ColumnarStore::TenantPtr> ColumnarStore::ForWriting(
    const std::string& name) {
  RETURN_IF_ERROR(ValidateTenant(name));
  if (TenantPtr known = Find(name)) return known;
  MutexLock opening(opening_);
  if (TenantPtr known = Find(name)) return known;
  {
    MutexLock lock(mu_);
    if (closed_) {
      return Error{Code::kFailedPrecondition, "the store is closed"};
    }
    if (tenants_.size() >= context_.options.max_tenants) {
      return Error{
          Code::kResourceExhausted,
          fmt::format("cannot add tenant \"{}\": there are {}, limit {}", name,
                      tenants_.size(), context_.options.max_tenants)};
    }
  }
  ASSIGN_OR_RETURN(
      TenantPtr made,
      TenantStore::Open(context_,
                        TenantsDir(context_.options.data_dir) + "/" + name));
  MutexLock lock(mu_);
  tenants_.emplace(name, made);
  return made;
}

void ColumnarStore::Write(const RequestContext& context,
                          model::SpanBatchPtr batch, Done done) {
  if (Status valid = ValidateTenant(context.tenant); !valid) {
    return done(std::move(valid));
  }
  if (batch->empty()) return done({});
  auto tenant = ForWriting(context.tenant);
  if (!tenant) return done(std::move(tenant).error());
  (*tenant)->Write(*batch, std::move(done));
}

Result<TenantView> ColumnarStore::ViewOf(const RequestContext& context) {
  RETURN_IF_ERROR(ValidateTenant(context.tenant));
  RETURN_IF_ERROR(context.Check());
  if (const TenantPtr tenant = Find(context.tenant)) return tenant->View();
  return TenantView{
      std::make_shared<const PartList>(), {}, nullptr, nullptr, nullptr};
}

Result<model::SpanBatchPtr> ColumnarStore::GetTrace(
    const RequestContext& context, const model::TraceId& id, const TimeHint&) {
  ASSIGN_OR_RETURN(const TenantView view, ViewOf(context));
  return columnar::GetTrace(context, view, id);
}

Result<std::vector<std::string>> ColumnarStore::Services(
    const RequestContext& context) {
  ASSIGN_OR_RETURN(const TenantView view, ViewOf(context));
  return columnar::Services(context, view);
}

Result<std::vector<Operation>> ColumnarStore::Operations(
    const RequestContext& context, std::string_view service) {
  ASSIGN_OR_RETURN(const TenantView view, ViewOf(context));
  return columnar::Operations(context, view, service);
}

Result<std::vector<DependencyEdge>> ColumnarStore::Dependencies(
    const RequestContext& context, UnixNanos start, UnixNanos end) {
  ASSIGN_OR_RETURN(const TenantView view, ViewOf(context));
  return columnar::Dependencies(context, view, start, end);
}

Result<aggregate::Partial> ColumnarStore::Aggregate(
    const RequestContext& context, const AggregateRequest& request) {
  ASSIGN_OR_RETURN(const TenantView view, ViewOf(context));
  RETURN_IF_ERROR(Validate(request));
  return columnar::Aggregate(context, view, request);
}

Result<std::unique_ptr<FrameScan>> ColumnarStore::Scan(
    const RequestContext& context, const FrameRequest& request) {
  ASSIGN_OR_RETURN(const TenantView view, ViewOf(context));
  return columnar::Scan(context, view, request);
}

Result<AttributeKeys> ColumnarStore::Keys(const RequestContext& context,
                                          UnixNanos start, UnixNanos end) {
  ASSIGN_OR_RETURN(const TenantView view, ViewOf(context));
  return columnar::Keys(context, view, start, end);
}

Result<StoreStats> ColumnarStore::Stats(const RequestContext& context) {
  RETURN_IF_ERROR(ValidateTenant(context.tenant));
  RETURN_IF_ERROR(context.Check());
  const TenantPtr tenant = Find(context.tenant);
  return tenant ? tenant->Stats() : StoreStats();
}

std::vector<std::string> ColumnarStore::Tenants() {
  MutexLock lock(mu_);
  std::vector<std::string> names;
  for (const auto& [name, tenant] : tenants_) names.push_back(name);
  return names;
}

Status ColumnarStore::Flush() {
  Status status;
  for (const TenantPtr& tenant : AllTenants()) {
    Status flushed = tenant->Flush();
    if (!flushed) status = std::move(flushed);
  }
  return status;
}

Status ColumnarStore::Close() {
  {
    MutexLock opening(opening_);
    MutexLock lock(mu_);
    if (closed_) return {};
    closed_ = true;
  }
  background_.reset();
  upkeep_.Stop();
  Status status;
  for (const TenantPtr& tenant : AllTenants()) {
    Status closed = tenant->Close();
    if (!closed) status = std::move(closed);
  }
  lock_.reset();
  return status;
}

}  // namespace khtrace::storage::columnar
