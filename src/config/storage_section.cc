// SPDX-License-Identifier: Apache-2.0
#include "config/storage_section.h"

#include <chrono>

#include "base/request_context.h"

namespace khtrace::config {
namespace {

using storage::columnar::StoreOptions;
using storage::columnar::TenantLimits;
using storage::columnar::WalSync;

constexpr uint64_t kMiB = 1u << 20;

template <typename Unit>
void ReadDuration(SectionReader& section, std::string_view key, Unit* field,
                  std::string_view help) {
  std::chrono::nanoseconds value = *field;
  section.Duration(key, std::chrono::nanoseconds(0), &value, help);
  *field = std::chrono::duration_cast<Unit>(value);
}

void ReadWal(SectionReader section, StoreOptions* store) {
  int sync = static_cast<int>(store->wal.sync);
  section.Choice("sync", {"batch", "interval", "none"}, &sync,
                 "When an acknowledged span is on disk: batch = before the "
                 "acknowledgement; interval = within sync_interval; none = "
                 "when the system writes it");
  store->wal.sync = static_cast<WalSync>(sync);
  ReadDuration(section, "sync_interval", &store->wal_sync_interval,
               "With sync: interval");
  section.Bytes("segment_bytes", kMiB, &store->wal.segment_bytes,
                "A log file is finished at this size");
  section.Bytes("queue_bytes", kMiB, &store->wal.queue_bytes,
                "Log frames that wait for the disk; over it senders are told "
                "to retry");
  section.Finish();
}

void ReadHead(SectionReader section, StoreOptions* store) {
  section.Bytes("max_bytes", 16 * kMiB, &store->head_max_bytes,
                "Spans in memory are written to a part at this size; all "
                "tenants together are held to twice this");
  ReadDuration(section, "max_age", &store->head_max_age,
               "or at this age, whatever comes first");
  ReadDuration(section, "trace_idle", &store->trace_idle,
               "An old head waits up to a minute for a pause of this length, "
               "so that traces stay whole");
  section.Finish();
}

void ReadLimits(SectionReader& retention, SectionReader limits,
                TenantLimits* out) {
  ReadDuration(retention, "max_age", &out->retention,
               "Spans that arrived longer ago are deleted; 0s = "
               "never");
  retention.Bytes(
      "max_bytes", 0, &out->retention_max_bytes,
      "Of a tenant's parts; beyond it the oldest goes; 0 = no limit");
  limits.Bytes("max_memory", 0, &out->max_memory_bytes,
               "Of a tenant's spans in memory, 32MiB at least; beyond it the "
               "tenant alone is told to retry; 0 = what all tenants share");
  limits.Finish();
}

void ReadRetention(SectionReader& storage, StoreOptions* store) {
  SectionReader section = storage.Section("retention");
  ReadLimits(section, storage.Section("limits"), &store->limits);
  section.Fraction("max_disk_fill", &store->retention_max_disk_fill,
                   "Share of the disk that may be filled; beyond it the "
                   "oldest part goes; 0 = no limit");
  section.Finish();
}

void ReadTenant(SectionReader section, TenantLimits* limits) {
  SectionReader retention = section.Section("retention");
  ReadLimits(retention, section.Section("limits"), limits);
  retention.Finish();
  section.Finish();
}

// After the limits of all, which are a tenant's defaults.
void ReadTenants(SectionReader section, StoreOptions* store) {
  TenantLimits documented = store->limits;
  ReadTenant(section.Section("NAME"), &documented);
  if (section.node() == nullptr) return;
  for (const auto& [name, node] : section.node()->map) {
    if (Status valid = ValidateTenant(name); !valid) {
      section.Fail(node, "", valid.error().message);
      continue;
    }
    TenantLimits& limits =
        store->tenants.emplace(name, store->limits).first->second;
    ReadTenant(section.Section(name), &limits);
  }
}

void ReadScrub(SectionReader section, StoreOptions* store) {
  section.Bytes("bytes_per_second", 0, &store->scrub_bytes_per_second,
                "Read to check the parts' checksums; 0 = never");
  ReadDuration(section, "interval", &store->scrub_interval,
               "Every part is checked once in it");
  section.Finish();
}

void ReadAggregates(SectionReader section, StoreOptions* store) {
  section.Bytes("max_memory", 16 * kMiB, &store->aggregate_cache_bytes,
                "Of what analysis keeps of parts' aggregates, all tenants "
                "together");
  section.Finish();
}

void ReadMerge(SectionReader section, StoreOptions* store) {
  storage::columnar::MergeOptions& merge = store->merge;
  auto spans = static_cast<int64_t>(merge.max_spans);
  section.Int("max_spans", 0, 16'000'000, &spans,
              "Small parts are merged into parts of so many spans at most; 0 = "
              "never");
  merge.max_spans = static_cast<uint64_t>(spans);
  auto parts = static_cast<int64_t>(merge.min_parts);
  section.Int("min_parts", 2, 1000, &parts,
              "So many are merged even if they make no large part");
  merge.min_parts = static_cast<uint32_t>(parts);
  section.Bytes("max_memory", 16 * kMiB, &merge.max_memory_bytes,
                "Of the spans that a merge holds; it takes fewer parts over "
                "it");
  section.Bytes("bytes_per_second", 0, &merge.bytes_per_second,
                "What a merge reads and writes; 0 = no limit");
  section.Finish();
}

}  // namespace

void ReadStorage(SectionReader section, ServerConfig* config) {
  int engine = static_cast<int>(config->engine);
  section.Choice("engine", {"columnar", "memory"}, &engine,
                 "columnar = on disk; memory = gone at the end, for trying "
                 "things out");
  config->engine = static_cast<StorageEngine>(engine);
  section.String("path", &config->data_dir, "The data directory");
  StoreOptions& store = config->columnar;
  ReadWal(section.Section("wal"), &store);
  ReadHead(section.Section("head"), &store);
  ReadMerge(section.Section("merge"), &store);
  ReadRetention(section, &store);
  ReadTenants(section.Section("tenants"), &store);
  ReadScrub(section.Section("scrub"), &store);
  ReadAggregates(section.Section("aggregates"), &store);
  auto tenants = static_cast<int64_t>(store.max_tenants);
  section.Int("max_tenants", 1, 100'000, &tenants,
              "Tenants in the data directory; one more is refused");
  store.max_tenants = static_cast<uint64_t>(tenants);
  section.Finish();
}

}  // namespace khtrace::config
