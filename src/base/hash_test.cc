// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace khtrace {
namespace {

// Checksums on disk depend on these values: they must never change.
TEST(Hash64, IsXxh3) {
  EXPECT_EQ(Hash64(std::string_view("")), 0x2d06800538d394c2u);
  EXPECT_NE(Hash64(std::string_view("a")), Hash64(std::string_view("b")));
  EXPECT_NE(Hash64(std::string_view("a"), 0), Hash64(std::string_view("a"), 1));
}

TEST(Mix64, SpreadsCountersWithoutCollisions) {
  std::set<uint64_t> seen;
  for (uint64_t i = 0; i < 1000; ++i) seen.insert(Mix64(i));
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(TableHash, EveryByteCounts) {
  for (size_t size = 0; size < 70; ++size) {
    const std::string text(size, 'x');
    std::set<uint64_t> seen{TableHash(text), TableHash(text + 'x')};
    ASSERT_EQ(seen.size(), 2u) << size;
    for (size_t i = 0; i < size; ++i) {
      std::string other = text;
      other[i] = 'y';
      ASSERT_TRUE(seen.insert(TableHash(other)).second) << size << " " << i;
    }
  }
}

TEST(TableHash, SpreadsNumbersOverTheLowBits) {
  std::vector<int> slots(1024);
  for (int i = 0; i < 10'000; ++i) {
    ++slots[TableHash("user-" + std::to_string(i)) % slots.size()];
  }
  EXPECT_LT(*std::max_element(slots.begin(), slots.end()), 40);  // mean 10
}

}  // namespace
}  // namespace khtrace
