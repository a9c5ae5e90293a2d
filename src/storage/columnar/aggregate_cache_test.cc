// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/aggregate_cache.h"

#include <gtest/gtest.h>

#include "aggregate/partial_builder.h"
#include "model/testing.h"
#include "storage/columnar/part_testing.h"

namespace khtrace::storage::columnar {
namespace {

using PartialPtr = AggregateCache::PartialPtr;

class AggregateCacheTest : public testing::Test {
 protected:
  std::shared_ptr<const Part> NewPart() {
    const std::string path = "p" + std::to_string(++parts_);
    const auto batch = std::make_shared<const model::SpanBatch>(
        model::RandomBatchForTesting(static_cast<uint64_t>(parts_)));
    EXPECT_TRUE(WritePart(fs_, path, {{batch}}, {}, {}));
    return *Part::Open(fs_, path);
  }
  // With `rows` rows.
  static PartialPtr NewPartial(uint32_t rows) {
    aggregate::Partial partial;
    for (uint32_t i = 0; i < rows; ++i) {
      partial.critical[{.root_service = {},
                        .root_operation = {},
                        .service = {},
                        .operation = {},
                        .minute = i * 15}] = {1, 1};
    }
    return std::make_shared<const aggregate::Partial>(std::move(partial));
  }
  static aggregate::MergeOptions Wanted(uint32_t first_minute) {
    aggregate::MergeOptions wanted;
    wanted.first_minute = first_minute;
    return wanted;
  }

  BytesFsForTesting fs_;
  int parts_ = 0;
};

TEST_F(AggregateCacheTest, ASumIsKnownForItsPartsAndThoseThatCameSince) {
  AggregateCache cache;
  const PartList two = {NewPart(), NewPart()};
  EXPECT_EQ(cache.FindSum(Wanted(0), two).of_known, nullptr);
  EXPECT_EQ(cache.FindSum(Wanted(0), two).missing, two);

  const PartialPtr sum = NewPartial(1);
  cache.KeepSum(Wanted(0), two, sum);
  EXPECT_EQ(cache.FindSum(Wanted(0), two).of_known, sum);
  EXPECT_TRUE(cache.FindSum(Wanted(0), two).missing.empty());
  EXPECT_EQ(cache.FindSum(Wanted(60), two).of_known, nullptr);

  PartList three = two;
  three.push_back(NewPart());
  EXPECT_EQ(cache.FindSum(Wanted(0), three).of_known, sum);
  EXPECT_EQ(cache.FindSum(Wanted(0), three).missing, PartList{three[2]});

  // One was merged with the third into another.
  const PartList merged = {two[0], NewPart()};
  EXPECT_EQ(cache.FindSum(Wanted(0), merged).of_known, nullptr);
  EXPECT_EQ(cache.FindSum(Wanted(0), merged).missing, merged);
  EXPECT_EQ(cache.FindSum(Wanted(0), {}).of_known, nullptr);
}

TEST_F(AggregateCacheTest, TheSumThatWasNotAskedForLongestGoes) {
  const size_t size = NewPartial(1000)->MemoryBytes();
  AggregateCache cache({.of_parts = 0, .of_sums = size * 5 / 2});
  const PartList parts = {NewPart()};
  cache.KeepSum(Wanted(1), parts, NewPartial(1000));
  cache.KeepSum(Wanted(2), parts, NewPartial(1000));
  EXPECT_NE(cache.FindSum(Wanted(1), parts).of_known, nullptr);
  cache.KeepSum(Wanted(3), parts, NewPartial(1000));
  EXPECT_NE(cache.FindSum(Wanted(1), parts).of_known, nullptr);
  EXPECT_EQ(cache.FindSum(Wanted(2), parts).of_known, nullptr);
  EXPECT_NE(cache.FindSum(Wanted(3), parts).of_known, nullptr);
  // Larger than all that may be kept: it alone stays.
  cache.KeepSum(Wanted(4), parts, NewPartial(10'000));
  EXPECT_EQ(cache.FindSum(Wanted(1), parts).of_known, nullptr);
  EXPECT_NE(cache.FindSum(Wanted(4), parts).of_known, nullptr);
}

TEST_F(AggregateCacheTest, SumsOfWindowsThatPassedGo) {
  AggregateCache cache;
  const PartList parts = {NewPart()};
  for (uint32_t minute = 0; minute < 1000; ++minute) {
    cache.KeepSum(Wanted(minute), parts, NewPartial(1));
  }
  const auto known = [&](uint32_t minute) {
    return cache.FindSum(Wanted(minute), parts).of_known != nullptr;
  };
  EXPECT_TRUE(known(999));
  EXPECT_TRUE(known(950));
  EXPECT_FALSE(known(900));
  EXPECT_FALSE(known(0));
}

TEST_F(AggregateCacheTest, SomePartsOwnStayWithinTheLimit) {
  const size_t size = NewPartial(1000)->MemoryBytes();
  AggregateCache cache({.of_parts = size * 7 / 2, .of_sums = 0});
  PartList parts;
  for (int i = 0; i < 10; ++i) {
    parts.push_back(NewPart());
    cache.Keep(parts.back(), {}, NewPartial(1000));
    // The newest is among those that stay.
    EXPECT_NE(cache.Find(*parts.back(), {}), nullptr);
  }
  const auto kept = std::count_if(
      parts.begin(), parts.end(),
      [&](const auto& part) { return cache.Find(*part, {}) != nullptr; });
  EXPECT_EQ(kept, 3);
  EXPECT_EQ(cache.Find(*parts.back(), {.step_minutes = 60}), nullptr);
}

}  // namespace
}  // namespace khtrace::storage::columnar
