// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/store_upkeep.h"

#include "base/log.h"

namespace khtrace::storage::columnar {

void StoreUpkeep::Tick() {
  {
    MutexLock lock(mu_);
    if (running_ || stopped_) return;
    running_ = true;
  }
  context_.executors.upkeep.Post([this] { RunJob(); });
}

void StoreUpkeep::Stop() {
  merge_pacer_.Stop();
  MutexLock lock(mu_);
  stopped_ = true;
  while (running_) idle_.Wait(mu_);
}

void StoreUpkeep::RunJob() {
  {
    // Gone before Stop() returns: the last holder of a tenant ends it, and a
    // tenant uses the store.
    const TenantList tenants = list_();
    MergeOnce(tenants);
    if (!merge_pacer_.stop_token().stop_requested()) scrubber_.Step(tenants);
  }
  MutexLock lock(mu_);
  running_ = false;
  idle_.NotifyAll();
}

// The first tenant with something to merge, in turn.
void StoreUpkeep::MergeOnce(const TenantList& tenants) {
  // The disk does not keep up with what comes in: that goes first, and the
  // memory is needed for it.
  if (context_.counters.head_bytes > context_.options.head_max_bytes) return;
  for (size_t i = 0; i < tenants.size(); ++i) {
    if (merge_pacer_.stop_token().stop_requested()) return;
    const Result<bool> merged =
        tenants[next_tenant_++ % tenants.size()]->MergeSome(merge_pacer_);
    if (!merged && merged.error().code != Code::kCancelled) {
      log::Warning("{}", merged.error().message);
    }
    if (!merged || *merged) return;
  }
}

}  // namespace khtrace::storage::columnar
