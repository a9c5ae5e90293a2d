// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/encoding_int_plan.h"

#include <gtest/gtest.h>

#include <random>

namespace khtrace::storage::columnar {
namespace {

TEST(IntPlan, FastestPlannerSaysWhatThePlainOneSays) {
  std::mt19937_64 random(5);
  const BlockPlanner fastest = FastestBlockPlanner();
  for (int i = 0; i < 2'000; ++i) {
    // Few bits, and now and then many: exceptions.
    std::vector<uint64_t> values(1 + random() % 700);
    const uint64_t base = random() >> random() % 64;
    const unsigned bits = random() % 64;
    for (uint64_t& value : values) {
      const unsigned drop = random() % 20 == 0 ? random() % 64 : 63 - bits;
      value = base + (random() >> drop >> 1);
    }
    for (const bool patches : {false, true}) {
      std::vector<BlockPlan> plain(BlockCount(values.size()));
      std::vector<BlockPlan> fast(plain.size());
      ASSERT_EQ(PlanBlocksAnywhere(values, patches, &plain),
                fastest(values, patches, &fast));
      ASSERT_EQ(plain, fast);
    }
  }
}

}  // namespace
}  // namespace khtrace::storage::columnar
