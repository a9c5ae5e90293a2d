// SPDX-License-Identifier: Apache-2.0
#include "analysis/time_shape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "analysis/testing.h"

namespace khtrace::analysis {
namespace {

const Window kHour{{kEpoch}, {kEpoch + 3600 * kSecond}};

class Times {
 public:
  explicit Times(uint64_t seed) : random_(seed) {}

  Times& Even(size_t count) { return Within(count, 0, 3600); }
  Times& Within(size_t count, uint64_t from_seconds, uint64_t to_seconds) {
    for (size_t i = 0; i < count; ++i) {
      const uint64_t span = (to_seconds - from_seconds) * 1000;
      times_.push_back(
          {kEpoch + from_seconds * kSecond + random_() % span * kMs});
    }
    return *this;
  }
  TimePattern Pattern() const { return PatternOf(times_, kHour); }

 private:
  std::mt19937_64 random_;
  std::vector<UnixNanos> times_;
};

TEST(TimeShape, EvenRatesAreSteadyInNinetyNineOfAHundred) {
  int steady = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const TimePattern pattern = Times(seed).Even(10 + seed * 10).Pattern();
    steady += pattern.shape == TimeShape::kSteady ? 1 : 0;
  }
  EXPECT_GE(steady, 290);
}

TEST(TimeShape, BurstsAreFoundWithTheirTime) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const uint64_t from = 300 + seed * 30;
    const TimePattern pattern =
        Times(seed).Even(20).Within(60, from, from + 180).Pattern();
    ASSERT_EQ(pattern.shape, TimeShape::kBurst) << seed;
    EXPECT_NEAR(static_cast<double>(pattern.densest.start.ns - kEpoch) / 1e9,
                static_cast<double>(from), 121);
    EXPECT_GT(pattern.densest_share, 0.7);
  }
}

TEST(TimeShape, PeriodsAreFound) {
  for (const uint64_t period : {240u, 300u, 437u, 600u, 720u}) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      Times times(seed);
      times.Even(10);
      for (uint64_t at = seed * 5; at + 20 < 3600; at += period) {
        times.Within(12, at, at + 15);
      }
      const TimePattern pattern = times.Pattern();
      ASSERT_EQ(pattern.shape, TimeShape::kPeriodic)
          << period << " " << seed << " " << pattern.evidence;
      EXPECT_NEAR(static_cast<double>(pattern.period_nanos) / 1e9,
                  static_cast<double>(period), 15);
    }
  }
}

TEST(TimeShape, RandomBurstsAreNoPeriod) {
  int periodic = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    Times times(seed);
    for (int burst = 0; burst < 6; ++burst) {
      const uint64_t at = random() % 3500;
      times.Within(12, at, at + 15);
    }
    periodic += times.Pattern().shape == TimeShape::kPeriodic ? 1 : 0;
  }
  EXPECT_LE(periodic, 6);
}

TEST(TimeShape, FewEventsTellNothing) {
  EXPECT_EQ(Times(1).Even(9).Pattern().shape, TimeShape::kTooFew);
  EXPECT_EQ(PatternOf({}, kHour).evidence, "0 are too few to tell");
}

TEST(TimeShape, GrowthIsUneven) {
  Times times(1);
  for (uint64_t minute = 0; minute < 60; ++minute) {
    times.Within(minute / 3, minute * 60, minute * 60 + 60);
  }
  EXPECT_EQ(times.Pattern().shape, TimeShape::kUneven);
  EXPECT_THAT(times.Pattern().evidence, testing::HasSubstr("dispersion"));
}

}  // namespace
}  // namespace khtrace::analysis
