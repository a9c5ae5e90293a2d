// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <gtest/gtest.h>

#include <set>

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

}  // namespace
}  // namespace khtrace
