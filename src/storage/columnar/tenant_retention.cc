// SPDX-License-Identifier: Apache-2.0
// Which parts go, and how their files do.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "storage/columnar/part_name.h"
#include "storage/columnar/tenant_store.h"

namespace khtrace::storage::columnar {
namespace {

PartList OldestFirst(PartList parts) {
  std::stable_sort(
      parts.begin(), parts.end(), [](const auto& a, const auto& b) {
        return a->info().RetentionTime() < b->info().RetentionTime();
      });
  return parts;
}

bool Contains(const PartList& parts, const std::shared_ptr<const Part>& part) {
  return std::find(parts.begin(), parts.end(), part) != parts.end();
}

}  // namespace

void TenantStore::DropParts() {
  const UnixNanos cutoff = context_.clock.Now().Minus(limits_.retention);
  PartList old;
  PartList surplus;
  {
    MutexLock lock(mu_);
    uint64_t bytes = 0;
    for (const auto& part : *parts_) bytes += part->info().file_bytes;
    for (const auto& part : OldestFirst(*parts_)) {
      // A merge is reading it: its successor is judged when it is there.
      if (Contains(claimed_, part)) break;
      if (limits_.retention.count() > 0 &&
          part->info().RetentionTime() < cutoff) {
        old.push_back(part);
      } else if (limits_.retention_max_bytes > 0 &&
                 bytes > limits_.retention_max_bytes) {
        surplus.push_back(part);
      } else {
        break;
      }
      bytes -= part->info().file_bytes;
    }
    Unlist(old);
    Unlist(surplus);
  }
  Discard(old, "by age", &context_.counters.parts_dropped_by_age);
  Discard(surplus, "by bytes", &context_.counters.parts_dropped_by_bytes);
}

std::shared_ptr<const Part> TenantStore::OldestPart() const {
  MutexLock lock(mu_);
  const PartList parts = OldestFirst(*parts_);
  if (parts.empty() || Contains(claimed_, parts.front())) return nullptr;
  return parts.front();
}

bool TenantStore::DropForRoom(const std::shared_ptr<const Part>& part) {
  {
    MutexLock lock(mu_);
    if (!Contains(*parts_, part) || Contains(claimed_, part)) return false;
    Unlist({part});
  }
  Discard({part}, "by disk fill", &context_.counters.parts_dropped_by_disk);
  return true;
}

uint64_t TenantStore::PartBytes() const {
  MutexLock lock(mu_);
  uint64_t bytes = 0;
  for (const auto& part : *parts_) bytes += part->info().file_bytes;
  return bytes;
}

void TenantStore::Unlist(const PartList& gone) {
  if (gone.empty()) return;
  auto rest = std::make_shared<PartList>(*parts_);
  std::erase_if(*rest, [&](const auto& part) { return Contains(gone, part); });
  parts_ = std::move(rest);
}

void TenantStore::Discard(const PartList& parts, std::string_view why,
                          std::atomic<uint64_t>* count) {
  for (const auto& part : parts) {
    ++*count;
    context_.counters.part_bytes_dropped += part->info().file_bytes;
    log::Info("retention drops {} {}: {} with {} spans", part->path(), why,
              FormatByteSize(part->info().file_bytes), part->info().span_count);
    // What it replaced goes before it: alone, that would come back.
    bool alone = true;
    for (const std::string& name : part->info().meta.replaces) {
      const std::string path = PartsDir() + "/" + name;
      if (context_.fs.Exists(path)) alone &= RemoveFile(path);
    }
    if (alone) (void)RemoveFile(part->path());
    context_.damage.Forget(part->path());
  }
}

bool TenantStore::RemoveFile(const std::string& path) {
  const Status removed = context_.fs.Remove(path);
  if (removed || removed.error().code == Code::kNotFound) return true;
  log::Warning("{}", removed.error().message);
  return false;
}

void TenantStore::RemoveFiles(const PartList& parts) {
  for (const auto& part : parts) {
    (void)RemoveFile(part->path());
    context_.damage.Forget(part->path());
  }
  if (const Status synced = context_.fs.SyncDir(PartsDir()); !synced) {
    log::Warning("{}", synced.error().message);
  }
}

}  // namespace khtrace::storage::columnar
