// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "storage/columnar/aggregate_cache.h"

namespace khtrace::storage::columnar {

// Shares the memory for aggregates among the tenants that are asked about, in
// equal parts, and takes it back from those that nobody asked about for an
// hour. Confined to one thread.
class AggregateBudget {
 public:
  explicit AggregateBudget(size_t bytes) : bytes_(bytes) {}

  // Once in a while, with the caches of all tenants. `now` is monotonic.
  void Share(const std::vector<std::shared_ptr<AggregateCache>>& caches,
             std::chrono::nanoseconds now);

 private:
  struct Seen {
    uint64_t uses = 0;
    std::chrono::nanoseconds since{};
  };

  const size_t bytes_;
  std::map<std::shared_ptr<AggregateCache>, Seen> seen_;
};

}  // namespace khtrace::storage::columnar
