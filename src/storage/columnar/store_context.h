// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"
#include "base/executor.h"
#include "base/fs.h"
#include "storage/columnar/damage_log.h"
#include "storage/columnar/store_options.h"

namespace khtrace::storage::columnar {

// What the store did since it was opened, for metrics. Thread-safe.
struct StoreCounters {
  WalCounters wal;
  std::atomic<uint64_t> spans_written{0};  // acknowledged
  std::atomic<uint64_t> batches_refused{0};
  std::atomic<uint64_t> flushes{0};
  std::atomic<uint64_t> flushed_spans{0};
  std::atomic<uint64_t> flush_failures{0};
  std::atomic<uint64_t> parts_dropped_by_age{0};  // retention
  std::atomic<uint64_t> parts_dropped_by_bytes{0};
  std::atomic<uint64_t> parts_dropped_by_disk{0};
  std::atomic<uint64_t> part_bytes_dropped{0};
  std::atomic<uint64_t> flushed_bytes{0};  // of part files
  std::atomic<uint64_t> scrub_rounds{0};
  std::atomic<uint64_t> scrubbed_parts{0};
  std::atomic<uint64_t> scrubbed_bytes{0};
  std::atomic<uint64_t> merges{0};
  std::atomic<uint64_t> merge_failures{0};
  std::atomic<uint64_t> merged_parts{0};  // that merges replaced
  std::atomic<uint64_t> merged_spans{0};
  std::atomic<uint64_t> merge_duplicates{0};
  std::atomic<uint64_t> merge_read_bytes{0};
  std::atomic<uint64_t> merge_written_bytes{0};
  std::atomic<uint64_t> parts_unreadable{0};  // left out when opening
  std::atomic<uint64_t> wal_damage{0};        // places found at recovery
  std::atomic<uint64_t> recovered_spans{0};
  std::atomic<uint64_t> head_bytes{0};  // a gauge: memory held now
};

// Where the store's work runs. Both outlive the store.
struct StoreExecutors {
  Executor& commit;      // writes and syncs of the log: blocks on the disk
  Executor& background;  // flushes: long CPU and disk work
  // Merges and checks: longer, paced by sleeping, never urgent. A thread of
  // its own with a low priority, or flushes wait for it.
  Executor& upkeep;
};

// What all tenants of a store share. Lives as long as the store.
struct StoreContext {
  const StoreOptions options;
  Fs& fs;
  const Clock& clock;
  StoreExecutors executors;
  StoreCounters counters;
  DamageLog damage;
};

}  // namespace khtrace::storage::columnar
