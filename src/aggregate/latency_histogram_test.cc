// SPDX-License-Identifier: Apache-2.0
#include "aggregate/latency_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace khtrace::aggregate {
namespace {

// Of all magnitudes.
uint64_t RandomValue(std::mt19937_64& random) {
  return random() >> (random() % 64);
}

double Error(double estimate, uint64_t value) {
  const auto exact = static_cast<double>(value);
  return value == 0 ? estimate : std::abs(estimate - exact) / exact;
}

TEST(LatencyHistogram, EveryValueIsWithinOnePercentOfItsBin) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2'000'000; ++i) {
    const uint64_t value =
        i < 100'000 ? static_cast<uint64_t>(i) : RandomValue(random);
    const uint32_t index = LatencyHistogram::IndexOf(value);
    ASSERT_LT(index, LatencyHistogram::kBins);
    ASSERT_LE(Error(LatencyHistogram::ValueOf(index), value), 0.01) << value;
  }
}

TEST(LatencyHistogram, BinsBeginWhereTheirLeastValueSays) {
  for (uint32_t index = 1; index < LatencyHistogram::kBins; ++index) {
    const uint64_t least = LatencyHistogram::LeastOf(index);
    // Small values leave bins without a whole number.
    if (least >= 128) {
      ASSERT_EQ(LatencyHistogram::IndexOf(least), index);
    }
    ASSERT_LT(LatencyHistogram::IndexOf(least - 1), index) << index;
  }
  EXPECT_EQ(LatencyHistogram::IndexOf(UINT64_MAX), LatencyHistogram::kBins - 1);
  EXPECT_EQ(LatencyHistogram::IndexOf(0), 0u);
}

TEST(LatencyHistogram, QuantilesAreWithinOnePercentOfSorting) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 300; ++round) {
    std::vector<uint64_t> values(1 + random() % 500);
    LatencyHistogram histogram;
    uint64_t sum = 0;
    for (uint64_t& value : values) {
      value = RandomValue(random) >> 4;
      histogram.Add(value);
      sum += value;
    }
    std::sort(values.begin(), values.end());
    EXPECT_EQ(histogram.count(), values.size());
    EXPECT_EQ(histogram.sum(), sum);
    for (const double q : {0.0, 0.01, 0.5, 0.75, 0.95, 0.99, 0.999, 1.0}) {
      const double wanted = std::ceil(q * static_cast<double>(values.size()));
      const auto rank = static_cast<size_t>(std::max(1.0, wanted));
      ASSERT_LE(Error(histogram.Quantile(q), values[rank - 1]), 0.01);
    }
  }
}

TEST(LatencyHistogram, MergingIsCountingEverythingAndSubtractingUndoesIt) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 300; ++round) {
    LatencyHistogram all;
    LatencyHistogram halves[2];
    for (uint64_t n = random() % 200; n > 0; --n) {
      const uint64_t value = RandomValue(random);
      all.Add(value);
      halves[random() % 2].Add(value);
    }
    LatencyHistogram merged = halves[1];
    merged.Merge(halves[0]);
    EXPECT_EQ(merged, all);
    // In any order: negative in between.
    LatencyHistogram difference;
    difference.Subtract(halves[0]);
    difference.Merge(all);
    difference.DropEmptyBins();
    EXPECT_EQ(difference, halves[1]);
  }
}

TEST(LatencyHistogram, EmptyHasNoQuantile) {
  EXPECT_EQ(LatencyHistogram().Quantile(0.5), 0);
  EXPECT_TRUE(LatencyHistogram().empty());
}

TEST(HistogramPool, EqualsHistogramsFilledOneByOne) {
  std::mt19937_64 random(4);
  HistogramPool pool;
  std::vector<LatencyHistogram> expected;
  // More than are kept before they are counted.
  for (int i = 0; i < 1'300'000; ++i) {
    if (i % 50'000 == 0) {
      expected.emplace_back();
      EXPECT_EQ(pool.New(), expected.size() - 1);
    }
    const auto id = static_cast<uint32_t>(random() % expected.size());
    const uint64_t value = 1000 + random() % 100'000;
    pool.Add(id, value);
    expected[id].Add(value);
  }
  EXPECT_EQ(pool.Take(), expected);
}

}  // namespace
}  // namespace khtrace::aggregate
