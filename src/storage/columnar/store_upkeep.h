// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "storage/columnar/disk_room.h"
#include "storage/columnar/io_pacer.h"
#include "storage/columnar/part_scrubber.h"
#include "storage/columnar/store_context.h"
#include "storage/columnar/tenant_store.h"

namespace khtrace::storage::columnar {

// The unhurried work on all tenants of a store: merging and checking. One job
// at a time, on StoreExecutors::upkeep. Thread-safe.
class StoreUpkeep {
 public:
  // `context` and what `list` uses outlive it. Stop() comes first.
  StoreUpkeep(StoreContext& context, std::function<TenantList()> list)
      : context_(context),
        list_(std::move(list)),
        merge_pacer_(context.clock, context.options.merge.bytes_per_second),
        scrubber_(context) {}

  // Starts what is due, unless the last job is still at work.
  void Tick() KHTRACE_EXCLUDES(mu_);
  // Ends the job that runs, soon, and waits; no other starts.
  void Stop() KHTRACE_EXCLUDES(mu_);

 private:
  void RunJob() KHTRACE_EXCLUDES(mu_);
  void MergeOnce(const TenantList& tenants);

  StoreContext& context_;
  const std::function<TenantList()> list_;
  IoPacer merge_pacer_;
  // Confined to the job.
  PartScrubber scrubber_;
  size_t next_tenant_ = 0;

  Mutex mu_;
  CondVar idle_;
  bool running_ KHTRACE_GUARDED_BY(mu_) = false;
  bool stopped_ KHTRACE_GUARDED_BY(mu_) = false;
};

}  // namespace khtrace::storage::columnar
