// SPDX-License-Identifier: Apache-2.0
#include "app/store_metrics.h"

#include <atomic>

namespace khtrace::app {

namespace {

// `counter(name, help, value)` registers one.
template <typename AddCounter>
void AddMergeMetrics(const storage::columnar::StoreCounters& counters,
                     const AddCounter& counter) {
  counter("khtrace_store_merges_total", "Parts written by merging small ones",
          counters.merges);
  counter("khtrace_store_merge_failures_total",
          "Merges that failed and are tried again", counters.merge_failures);
  counter("khtrace_store_merged_parts_total", "Parts that merges replaced",
          counters.merged_parts);
  counter("khtrace_store_merged_spans_total", "Spans written by merges",
          counters.merged_spans);
  counter("khtrace_store_merge_duplicates_total",
          "Spans that were stored twice, dropped by merges",
          counters.merge_duplicates);
  counter("khtrace_store_merge_read_bytes_total",
          "Bytes of the parts that merges replaced", counters.merge_read_bytes);
  counter("khtrace_store_merge_written_bytes_total",
          "Bytes of the parts that merges wrote", counters.merge_written_bytes);
  counter("khtrace_store_scrub_rounds_total",
          "Times that every part was checked", counters.scrub_rounds);
  counter("khtrace_store_scrubbed_parts_total",
          "Parts whose every checksum was checked", counters.scrubbed_parts);
  counter("khtrace_store_scrubbed_bytes_total", "Bytes so read",
          counters.scrubbed_bytes);
}

void AddDamageMetrics(const storage::columnar::DamageLog& damage,
                      telemetry::Registry& registry) {
  registry.AddCounterCallback(
      "khtrace_store_corrupt_places_total",
      "Corrupt pages found in parts, each once; the log names them", {},
      [&damage] { return static_cast<double>(damage.places()); });
  registry.AddCounterCallback(
      "khtrace_store_damage_encounters_total",
      "Times that an answer or a check met a corrupt page", {},
      [&damage] { return static_cast<double>(damage.encounters()); });
  registry.AddGaugeCallback(
      "khtrace_store_damaged_parts",
      "Parts with corrupt pages; the rest of them is readable", {},
      [&damage] { return static_cast<double>(damage.parts()); });
}

}  // namespace

void AddStoreMetrics(const storage::columnar::ColumnarStore& store,
                     telemetry::Registry& registry) {
  const storage::columnar::StoreCounters& counters = store.counters();
  const auto counter = [&](const char* name, const char* help,
                           const std::atomic<uint64_t>& value,
                           const telemetry::Labels& labels = {}) {
    registry.AddCounterCallback(name, help, labels, [&value] {
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
  counter("khtrace_store_flushed_bytes_total", "Bytes of parts so written",
          counters.flushed_bytes);
  AddMergeMetrics(counters, counter);
  constexpr const char* kDropped = "khtrace_store_parts_dropped_total";
  constexpr const char* kDroppedHelp = "Parts deleted by retention";
  counter(kDropped, kDroppedHelp, counters.parts_dropped_by_age,
          {{"reason", "age"}});
  counter(kDropped, kDroppedHelp, counters.parts_dropped_by_bytes,
          {{"reason", "bytes"}});
  counter(kDropped, kDroppedHelp, counters.parts_dropped_by_disk,
          {{"reason", "disk_fill"}});
  counter("khtrace_store_bytes_dropped_total",
          "Bytes of the parts deleted by retention",
          counters.part_bytes_dropped);
  AddDamageMetrics(store.damage(), registry);
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
