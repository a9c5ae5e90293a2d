// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/aggregate_budget.h"

#include <gtest/gtest.h>

#include "storage/columnar/part_testing.h"

namespace khtrace::storage::columnar {
namespace {

using CachePtr = std::shared_ptr<AggregateCache>;
using std::chrono::minutes;

// A sum of about `bytes`, asked for as minute `first_minute`.
void Fill(AggregateCache& cache, size_t bytes, uint32_t first_minute = 0) {
  aggregate::Partial partial;
  for (uint32_t i = 0; partial.MemoryBytes() < bytes; ++i) {
    partial.critical[{.root_service = {},
                      .root_operation = {},
                      .service = {},
                      .operation = {},
                      .minute = i * 15}] = {1, 1};
  }
  aggregate::MergeOptions wanted;
  wanted.first_minute = first_minute;
  cache.KeepSum(wanted, {},
                std::make_shared<const aggregate::Partial>(std::move(partial)));
}

void Ask(AggregateCache& cache) { (void)cache.FindSum({}, {}); }

TEST(AggregateBudget, OneTenantHasAllOfIt) {
  AggregateBudget budget(6 << 20);
  const auto cache = std::make_shared<AggregateCache>();
  const auto other = std::make_shared<AggregateCache>();
  Fill(*cache, 400'000, 1);
  Fill(*cache, 400'000, 2);
  const size_t bytes = cache->usage().bytes;
  budget.Share({cache, other}, minutes(0));
  EXPECT_EQ(cache->usage().bytes, bytes);
}

TEST(AggregateBudget, TenantsShareItEqually) {
  AggregateBudget budget(3 << 20);
  std::vector<CachePtr> caches;
  for (int i = 0; i < 4; ++i) {
    caches.push_back(std::make_shared<AggregateCache>());
    for (uint32_t sum = 1; sum <= 4; ++sum) {
      Fill(*caches.back(), 100'000, sum);
    }
  }
  budget.Share(caches, minutes(0));
  for (const CachePtr& cache : caches) {
    EXPECT_LE(cache->usage().bytes, size_t{(3 << 20) / 4 / 3});
    EXPECT_GT(cache->usage().bytes, 100'000u);
  }
}

TEST(AggregateBudget, WhatNobodyAsksAboutForAnHourGoes) {
  AggregateBudget budget(3 << 20);
  const auto idle = std::make_shared<AggregateCache>();
  const auto busy = std::make_shared<AggregateCache>();
  Fill(*idle, 100'000);
  Fill(*busy, 100'000);
  budget.Share({idle, busy}, minutes(0));
  Ask(*busy);
  budget.Share({idle, busy}, minutes(59));
  EXPECT_GT(idle->usage().bytes, 0u);
  budget.Share({idle, busy}, minutes(60));
  EXPECT_EQ(idle->usage().bytes, 0u);
  EXPECT_GT(busy->usage().bytes, 0u);
}

}  // namespace
}  // namespace khtrace::storage::columnar
