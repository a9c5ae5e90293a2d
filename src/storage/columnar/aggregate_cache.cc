// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/aggregate_cache.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace khtrace::storage::columnar {

AggregateCache::PartialPtr AggregateCache::Find(const Part& part) {
  MutexLock lock(mu_);
  const auto entry = entries_.find(part.path());
  if (entry == entries_.end()) return nullptr;
  // A file may have taken the name of one that is gone.
  if (entry->second.part.lock().get() != &part) return nullptr;
  entry->second.used = ++uses_;
  return entry->second.own;
}

void AggregateCache::Keep(const std::shared_ptr<const Part>& part,
                          PartialPtr own) {
  const size_t bytes = own->MemoryBytes();
  MutexLock lock(mu_);
  bytes_ += bytes - entries_[part->path()].bytes;
  entries_[part->path()] = {part, std::move(own), bytes, ++uses_};
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const bool gone = entry->second.part.expired();
    if (gone) bytes_ -= entry->second.bytes;
    entry = gone ? entries_.erase(entry) : std::next(entry);
  }
  while (bytes_ > kMaxBytes) {
    const auto oldest = std::min_element(entries_.begin(), entries_.end(),
                                         [](const auto& a, const auto& b) {
                                           return a.second.used < b.second.used;
                                         });
    bytes_ -= oldest->second.bytes;
    entries_.erase(oldest);
  }
}

AggregateCache::PartialPtr AggregateCache::FindCorrection(
    const PartListPtr& parts) {
  MutexLock lock(mu_);
  return corrected_.lock() == parts ? correction_ : nullptr;
}

void AggregateCache::KeepCorrection(const PartListPtr& parts,
                                    PartialPtr correction) {
  MutexLock lock(mu_);
  corrected_ = parts;
  correction_ = std::move(correction);
}

}  // namespace khtrace::storage::columnar
