// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <gtest/gtest.h>

namespace khtrace {
namespace {

using std::chrono::nanoseconds;

TEST(UnixNanos, AddsAndSubtracts) {
  EXPECT_EQ(UnixNanos{10}.Plus(nanoseconds(5)).ns, 15u);
  EXPECT_EQ(UnixNanos{10}.Minus(nanoseconds(5)).ns, 5u);
  EXPECT_EQ(UnixNanos{10}.Plus(nanoseconds(-5)).ns, 5u);
  EXPECT_EQ(UnixNanos{10}.Minus(nanoseconds(-5)).ns, 15u);
}

TEST(UnixNanos, SaturatesAtBothEnds) {
  EXPECT_EQ(UnixNanos{3}.Minus(nanoseconds(5)).ns, 0u);
  EXPECT_EQ(UnixNanos::Max().Plus(nanoseconds(1)), UnixNanos::Max());
  EXPECT_EQ(UnixNanos{3}.Plus(nanoseconds::min()).ns, 0u);
  EXPECT_EQ(UnixNanos::Max().Minus(nanoseconds::min()), UnixNanos::Max());
  EXPECT_EQ(UnixNanos{0}.Minus(nanoseconds::min()).ns, 1ull << 63);
}

TEST(SystemClock, MonotonicNeverGoesBack) {
  const Clock& clock = Clock::System();
  const nanoseconds before = clock.Monotonic();
  EXPECT_GE(clock.Monotonic(), before);
  EXPECT_GT(clock.Now().ns, 1'577'836'800'000'000'000u);  // 2020
}

TEST(FakeClock, StandsStillUntilMoved) {
  FakeClock clock({1000});
  EXPECT_EQ(clock.Now().ns, 1000u);
  clock.Advance(nanoseconds(500));
  EXPECT_EQ(clock.Now().ns, 1500u);
  EXPECT_EQ(clock.Monotonic(), nanoseconds(500));
}

TEST(FakeClock, SettingTheWallClockLeavesMonotonicAlone) {
  FakeClock clock({1000});
  clock.SetNow({1});
  EXPECT_EQ(clock.Now().ns, 1u);
  EXPECT_EQ(clock.Monotonic(), nanoseconds(0));
}

}  // namespace
}  // namespace khtrace
