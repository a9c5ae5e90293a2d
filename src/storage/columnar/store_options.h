// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "storage/columnar/merge_policy.h"
#include "storage/columnar/part.h"
#include "storage/columnar/wal_writer.h"

namespace khtrace::storage::columnar {

// How long a tenant's spans are kept, and its share of the memory.
struct TenantLimits {
  // Parts whose newest span arrived longer ago are deleted. 0: never.
  std::chrono::seconds retention = std::chrono::hours(336);
  // Of the tenant's parts. Beyond it the oldest part goes. 0: no limit.
  uint64_t retention_max_bytes = 0;
  // Of its spans in memory: beyond it Write answers kResourceExhausted, while
  // other tenants still find room. Its head becomes a part at half of that, if
  // head_max_bytes is not less. 0: only what all tenants share. 32 MiB at
  // least.
  uint64_t max_memory_bytes = 0;
};

struct StoreOptions {
  // Everything lies below it (docs/format/data-directory.md). Made if missing.
  std::string data_dir;

  // What an acknowledgement promises, and the log's sizes.
  WalOptions wal;
  // How often the log is synced with WalSync::kInterval. Larger: fewer syncs,
  // more acknowledged spans lost by a power cut.
  std::chrono::milliseconds wal_sync_interval{100};

  // A tenant's spans in memory are written to a part at this size. Larger:
  // fewer and better compressed parts, more memory and longer recovery.
  // All tenants together are held to twice this: beyond it Write answers
  // kResourceExhausted. 16 MiB at least.
  uint64_t head_max_bytes = 256 << 20;
  // … or at this age, so that the log of a quiet installation stays short.
  // Smaller makes many small parts.
  std::chrono::seconds head_max_age = std::chrono::minutes(30);
  // A head of that age is cut when no span came for so long, and a minute
  // later in any case. Larger: fewer traces are cut through. 0: at once.
  std::chrono::seconds trace_idle{10};

  // Of every tenant that is not in `tenants`.
  TenantLimits limits;
  std::map<std::string, TenantLimits, std::less<>> tenants;
  // Share of the disk that may be filled. Beyond it the oldest part of all
  // tenants goes, unless that could not help, as other files fill the disk:
  // then only when there is no room left to take spans in. 0: no limit.
  double retention_max_disk_fill = 0.9;

  MergeOptions merge;

  // Read by the check of all checksums, which runs once in scrub_interval.
  // Smaller: it takes longer and is felt less. 0: no check.
  uint64_t scrub_bytes_per_second = 8 << 20;
  std::chrono::seconds scrub_interval = std::chrono::hours(24);

  // Memory for aggregates of parts that queries brought together, of all
  // tenants together. Larger: analysis of long windows and of many tenants
  // reads less again. 16 MiB at least.
  uint64_t aggregate_cache_bytes = 288 << 20;

  // Tenants on this directory. A Write that would make one more is refused.
  uint64_t max_tenants = 1000;

  // Flush by age, retention, interval sync, merges and checks by a thread of
  // the store's own. Off: the owner calls RunMaintenance().
  bool background_thread = true;

  PartWriteOptions part;

  const TenantLimits& LimitsOf(std::string_view tenant) const;

  // kInvalidArgument names option, value and limit; warnings are for values
  // that work and are rarely meant.
  Status Validate(std::vector<std::string>* warnings) const;
};

}  // namespace khtrace::storage::columnar
