// SPDX-License-Identifier: Apache-2.0
#include "app/store_metrics.h"

#include <atomic>

namespace khtrace::app {

void AddStoreMetrics(const storage::columnar::ColumnarStore& store,
                     telemetry::Registry& registry) {
  const storage::columnar::StoreCounters& counters = store.counters();
  const auto counter = [&](const char* name, const char* help,
                           const std::atomic<uint64_t>& value) {
    registry.AddCounterCallback(name, help, {}, [&value] {
      return static_cast<double>(value.load(std::memory_order_relaxed));
    });
  };
  counter("khtrace_store_spans_written_total",
          "Spans acknowledged: durable and searchable", counters.spans_written);
  counter("khtrace_store_batches_refused_total",
          "Batches that senders were told to retry", counters.batches_refused);
  counter("khtrace_store_flushes_total", "Parts written from memory",
          counters.flushes);
  counter("khtrace_store_flushed_spans_total", "Spans written to parts",
          counters.flushed_spans);
  counter("khtrace_store_flush_failures_total",
          "Flushes that failed and are tried again", counters.flush_failures);
  counter("khtrace_store_parts_dropped_total", "Parts deleted by retention",
          counters.parts_dropped);
  counter("khtrace_store_parts_unreadable_total",
          "Damaged parts left out when the store was opened",
          counters.parts_unreadable);
  counter("khtrace_store_wal_damage_total",
          "Damaged places found in the write-ahead log at recovery",
          counters.wal_damage);
  counter("khtrace_store_recovered_spans_total",
          "Spans read back from the write-ahead log at start",
          counters.recovered_spans);
  counter("khtrace_store_wal_frames_total", "Batches logged",
          counters.wal.frames);
  counter("khtrace_store_wal_bytes_total", "Bytes logged", counters.wal.bytes);
  counter("khtrace_store_wal_syncs_total", "Syncs of the write-ahead log",
          counters.wal.syncs);
  counter("khtrace_store_wal_failures_total",
          "Groups of batches that the disk refused", counters.wal.failures);
  registry.AddGaugeCallback(
      "khtrace_store_head_bytes", "Memory held by spans not yet in a part", {},
      [&counters] {
        return static_cast<double>(
            counters.head_bytes.load(std::memory_order_relaxed));
      });
}

}  // namespace khtrace::app
