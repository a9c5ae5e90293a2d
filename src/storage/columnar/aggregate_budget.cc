// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/aggregate_budget.h"

#include <algorithm>

namespace khtrace::storage::columnar {
namespace {

constexpr std::chrono::hours kIdle{1};

}  // namespace

void AggregateBudget::Share(
    const std::vector<std::shared_ptr<AggregateCache>>& caches,
    std::chrono::nanoseconds now) {
  std::map<std::shared_ptr<AggregateCache>, Seen> seen;
  for (const auto& cache : caches) {
    const AggregateCache::Usage usage = cache->usage();
    if (usage.bytes == 0) continue;
    const auto before = seen_.find(cache);
    const bool used =
        before == seen_.end() || before->second.uses != usage.uses;
    const Seen last = used ? Seen{usage.uses, now} : before->second;
    if (now - last.since >= kIdle) {
      cache->Clear();
    } else {
      seen.emplace(cache, last);
    }
  }
  seen_ = std::move(seen);
  const size_t share = bytes_ / std::max<size_t>(seen_.size(), 1);
  for (const auto& cache : caches) {
    cache->SetLimits(AggregateCache::Limits::Of(share));
  }
}

}  // namespace khtrace::storage::columnar
