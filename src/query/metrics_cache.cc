// SPDX-License-Identifier: Apache-2.0
#include "query/metrics_cache.h"

#include <utility>

#include "query/metrics_fold.h"

namespace khtrace::query {

MetricsCache::Folds MetricsCache::Find(const std::string& key) {
  MutexLock lock(mu_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return {};
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->folds;
}

void MetricsCache::Keep(const std::string& key, Folds folds) {
  size_t bytes = sizeof(Entry) + 2 * key.size();
  for (const auto& fold : folds) bytes += fold->MemoryBytes();
  if (bytes > max_bytes_ / 8) return;
  MutexLock lock(mu_);
  if (by_key_.contains(key)) return;
  entries_.push_front({key, std::move(folds), bytes});
  by_key_[key] = entries_.begin();
  bytes_ += bytes;
  while (bytes_ > max_bytes_) {
    bytes_ -= entries_.back().bytes;
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

}  // namespace khtrace::query
