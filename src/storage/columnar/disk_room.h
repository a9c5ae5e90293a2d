// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "storage/columnar/store_context.h"
#include "storage/columnar/tenant_store.h"

namespace khtrace::storage::columnar {

using TenantList = std::vector<std::shared_ptr<TenantStore>>;

// Retention by disk fill (StoreOptions::retention_max_disk_fill): drops the
// oldest part of all tenants before the disk is full and ingest stops.
// Thread-safe.
class DiskRoom {
 public:
  // `context` outlives it.
  explicit DiskRoom(StoreContext& context) : context_(context) {}

  // Drops as many parts as it takes now. Quick.
  void Make(const TenantList& tenants) KHTRACE_EXCLUDES(mu_);

 private:
  // A part that was dropped; its room comes back when nobody reads it.
  struct Going {
    std::weak_ptr<const Part> part;
    uint64_t bytes = 0;
    std::chrono::nanoseconds since{0};
  };

  uint64_t Missing(const TenantList& tenants) KHTRACE_REQUIRES(mu_);
  uint64_t GoingBytes() KHTRACE_REQUIRES(mu_);
  void TellOfOthers(bool others_fill_it) KHTRACE_REQUIRES(mu_);

  StoreContext& context_;
  // Held through Make, files included: only maintenance calls it.
  Mutex mu_;
  std::vector<Going> going_ KHTRACE_GUARDED_BY(mu_);
  bool told_ KHTRACE_GUARDED_BY(mu_) = false;
};

}  // namespace khtrace::storage::columnar
