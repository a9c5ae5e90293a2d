// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/io_pacer.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/executor.h"

namespace khtrace::storage::columnar {
namespace {

std::chrono::nanoseconds TimeToSpend(IoPacer& pacer, int times,
                                     uint64_t bytes) {
  const auto began = Clock::System().Monotonic();
  for (int i = 0; i < times; ++i) EXPECT_TRUE(pacer.Spend(bytes));
  return Clock::System().Monotonic() - began;
}

TEST(IoPacer, HoldsTheRateBehindABurst) {
  IoPacer pacer(Clock::System(), 1'000'000);
  // 0.3 s worth of bytes, of which a burst is free.
  EXPECT_GT(TimeToSpend(pacer, 30, 10'000), std::chrono::milliseconds(150));
}

TEST(IoPacer, WithoutARateNothingWaits) {
  IoPacer pacer(Clock::System(), 0);
  EXPECT_LT(TimeToSpend(pacer, 10, uint64_t{1} << 40),
            std::chrono::seconds(10));
}

TEST(IoPacer, StopEndsAWaitAndEverySpendAfterIt) {
  IoPacer pacer(Clock::System(), 1);
  {
    ThreadPool other("stop", 1);
    other.Post([&] { pacer.Stop(); });
    // Would take centuries.
    EXPECT_EQ(pacer.Spend(uint64_t{1} << 33).error().code, Code::kCancelled);
  }
  EXPECT_EQ(pacer.Spend(1).error().code, Code::kCancelled);
  EXPECT_TRUE(pacer.stop_token().stop_requested());
}

}  // namespace
}  // namespace khtrace::storage::columnar
