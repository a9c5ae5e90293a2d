// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/aggregate_cache.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/hash.h"

namespace khtrace::storage::columnar {
namespace {

// Requests whose sums are kept. Windows move on: what was asked of those before
// is not asked again, and small sums would fill the bytes for ever.
constexpr size_t kMaxSums = 64;

auto WantedOf(const aggregate::MergeOptions& options) {
  return std::tuple(options.kinds, options.first_minute, options.last_minute,
                    options.step_minutes);
}

}  // namespace

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
  MakeRoom(&key);
}

// Requests go through all parts again and again, each in the same order: the
// least recently used one would be just what is needed next. So any may go.
void AggregateCache::MakeRoom(const Key* newest) {
  if (bytes_ <= limits_.of_parts) return;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const bool gone = entry->second.part.expired();
    if (gone) bytes_ -= entry->second.bytes;
    entry = gone ? entries_.erase(entry) : std::next(entry);
  }
  const size_t least = newest == nullptr ? 0 : 1;
  while (bytes_ > limits_.of_parts && entries_.size() > least) {
    const uint64_t any = Mix64(++evictions_) % entries_.size();
    auto victim = std::next(entries_.begin(), static_cast<ptrdiff_t>(any));
    if (newest != nullptr && victim->first == *newest) {
      victim = any == 0 ? std::next(victim) : std::prev(victim);
    }
    bytes_ -= victim->second.bytes;
    entries_.erase(victim);
  }
}

AggregateCache::Sum AggregateCache::FindSum(
    const aggregate::MergeOptions& wanted, const PartList& parts) {
  MutexLock lock(mu_);
  ++uses_;
  const auto found = sums_.find(WantedOf(wanted));
  if (found == sums_.end()) return {nullptr, parts};
  Sum sum{found->second.sum, parts};
  // Parts only come and go, they do not change places.
  auto left = sum.missing.begin();
  for (const std::weak_ptr<const Part>& kept : found->second.parts) {
    const std::shared_ptr<const Part> part = kept.lock();
    left = std::find(left, sum.missing.end(), part);
    // One that was merged into another, or that retention took.
    if (part == nullptr || left == sum.missing.end()) return {nullptr, parts};
    left = sum.missing.erase(left);
  }
  found->second.used = ++sum_uses_;
  return sum;
}

void AggregateCache::KeepSum(const aggregate::MergeOptions& wanted,
                             const PartList& parts, PartialPtr sum) {
  KeptSum kept;
  kept.parts.assign(parts.begin(), parts.end());
  kept.bytes =
      sum->MemoryBytes() + parts.size() * sizeof(std::weak_ptr<const Part>);
  kept.sum = std::move(sum);
  MutexLock lock(mu_);
  kept.used = ++sum_uses_;
  sum_bytes_ += kept.bytes;
  KeptSum& place = sums_[WantedOf(wanted)];
  sum_bytes_ -= place.bytes;
  place = std::move(kept);
  DropOldSums();
}

// The newest stays, however large.
void AggregateCache::DropOldSums() {
  while ((sum_bytes_ > limits_.of_sums || sums_.size() > kMaxSums) &&
         sums_.size() > 1) {
    const auto oldest = std::min_element(sums_.begin(), sums_.end(),
                                         [](const auto& a, const auto& b) {
                                           return a.second.used < b.second.used;
                                         });
    sum_bytes_ -= oldest->second.bytes;
    sums_.erase(oldest);
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

void AggregateCache::SetLimits(const Limits& limits) {
  MutexLock lock(mu_);
  limits_ = limits;
  MakeRoom(nullptr);
  DropOldSums();
}

void AggregateCache::Clear() {
  MutexLock lock(mu_);
  entries_.clear();
  sums_.clear();
  correction_ = {};
  corrected_.reset();
  bytes_ = sum_bytes_ = 0;
}

AggregateCache::Usage AggregateCache::usage() const {
  MutexLock lock(mu_);
  return {bytes_ + sum_bytes_, uses_};
}

}  // namespace khtrace::storage::columnar
