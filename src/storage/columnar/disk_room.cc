// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/disk_room.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"

namespace khtrace::storage::columnar {
namespace {

// Some file systems give room back a while after a file was deleted. Smaller
// than that: parts go that need not.
constexpr std::chrono::seconds kSettling{5};

// Below this ingest is about to stop: what the heads of all tenants need when
// they become parts beside their log, or a part of a small disk.
uint64_t LeastFree(const FsSpace& space, uint64_t head_max_bytes) {
  return std::min(2 * head_max_bytes, space.total_bytes / 20);
}

}  // namespace

void DiskRoom::Make(const TenantList& tenants) {
  if (context_.options.retention_max_disk_fill <= 0) return;
  MutexLock lock(mu_);
  uint64_t missing = Missing(tenants);
  while (missing > 0) {
    TenantStore* owner = nullptr;
    std::shared_ptr<const Part> oldest;
    for (const auto& tenant : tenants) {
      std::shared_ptr<const Part> part = tenant->OldestPart();
      if (part && (!oldest || part->info().RetentionTime() <
                                  oldest->info().RetentionTime())) {
        oldest = std::move(part);
        owner = tenant.get();
      }
    }
    if (!oldest || !owner->DropForRoom(oldest)) return;
    const uint64_t bytes = oldest->info().file_bytes;
    going_.push_back({oldest, bytes, context_.clock.Monotonic()});
    missing -= std::min(missing, bytes);
  }
}

// Bytes that have to go, beside those that are going already.
uint64_t DiskRoom::Missing(const TenantList& tenants) {
  const StoreOptions& options = context_.options;
  const Result<FsSpace> space = context_.fs.Space(options.data_dir);
  if (!space || space->total_bytes == 0) return 0;
  const auto limit =
      static_cast<uint64_t>(static_cast<double>(space->total_bytes) *
                            options.retention_max_disk_fill);
  const uint64_t used =
      space->total_bytes - std::min(space->total_bytes, space->free_bytes);
  const uint64_t going = GoingBytes();
  uint64_t excess = used > limit ? used - limit : 0;
  excess -= std::min(excess, going);
  uint64_t ours = 0;
  for (const auto& tenant : tenants) ours += tenant->PartBytes();
  // Then dropping everything would win nothing.
  const bool others_fill_it = excess > ours;
  TellOfOthers(others_fill_it);
  if (!others_fill_it) return excess;
  const uint64_t least = LeastFree(*space, options.head_max_bytes);
  const uint64_t free = space->free_bytes + going;
  return free < least ? least - free : 0;
}

uint64_t DiskRoom::GoingBytes() {
  const auto now = context_.clock.Monotonic();
  std::erase_if(going_, [&](const Going& part) {
    return part.part.expired() && now - part.since >= kSettling;
  });
  uint64_t bytes = 0;
  for (const Going& part : going_) bytes += part.bytes;
  return bytes;
}

void DiskRoom::TellOfOthers(bool others_fill_it) {
  if (others_fill_it && !told_) {
    log::Warning(
        "the disk of {} is filled beyond storage.retention.max_disk_fill by "
        "other files: parts are dropped only when no room is left at all",
        context_.options.data_dir);
  }
  told_ = others_fill_it;
}

}  // namespace khtrace::storage::columnar
