// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/aggregate_cache.h"

#include <iterator>
#include <utility>

#include "base/hash.h"

namespace khtrace::storage::columnar {

AggregateCache::PartialPtr AggregateCache::Find(const Part& part,
                                                const Grain& grain) {
  MutexLock lock(mu_);
  const auto entry = entries_.find({part.path(), grain});
  if (entry == entries_.end()) return nullptr;
  // A file may have taken the name of one that is gone.
  if (entry->second.part.lock().get() != &part) return nullptr;
  return entry->second.own;
}

void AggregateCache::Keep(const std::shared_ptr<const Part>& part,
                          const Grain& grain, PartialPtr own) {
  const size_t bytes = own->MemoryBytes();
  const Key key{part->path(), grain};
  MutexLock lock(mu_);
  Entry& kept = entries_[key];
  bytes_ += bytes - kept.bytes;
  kept = {part, std::move(own), bytes};
  MakeRoom(key);
}

// Requests go through all parts again and again, each in the same order: the
// least recently used one would be just what is needed next. So any may go.
void AggregateCache::MakeRoom(const Key& newest) {
  if (bytes_ <= kMaxBytes) return;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const bool gone = entry->second.part.expired();
    if (gone) bytes_ -= entry->second.bytes;
    entry = gone ? entries_.erase(entry) : std::next(entry);
  }
  while (bytes_ > kMaxBytes && entries_.size() > 1) {
    const uint64_t any = Mix64(++evictions_) % entries_.size();
    auto victim = std::next(entries_.begin(), static_cast<ptrdiff_t>(any));
    if (victim->first == newest) {
      victim = any == 0 ? std::next(victim) : std::prev(victim);
    }
    bytes_ -= victim->second.bytes;
    entries_.erase(victim);
  }
}

AggregateCache::Correction AggregateCache::FindCorrection(
    const PartListPtr& parts) {
  MutexLock lock(mu_);
  return corrected_.lock() == parts ? correction_ : Correction();
}

void AggregateCache::KeepCorrection(const PartListPtr& parts,
                                    Correction correction) {
  MutexLock lock(mu_);
  corrected_ = parts;
  correction_ = std::move(correction);
}

}  // namespace khtrace::storage::columnar
