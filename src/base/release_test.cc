// SPDX-License-Identifier: Apache-2.0
#include "base/release.h"

#include <gtest/gtest.h>

#include <boost/unordered/unordered_flat_map.hpp>
#include <string>
#include <vector>

namespace khtrace {
namespace {

TEST(Release, GivesMemoryBack) {
  std::vector<int> numbers(1000, 7);
  Release(numbers);
  EXPECT_TRUE(numbers.empty());
  EXPECT_EQ(numbers.capacity(), 0u);

  std::string text(1000, 'x');
  Release(text);
  EXPECT_TRUE(text.empty());
  EXPECT_LT(text.capacity(), 100u);

  boost::unordered_flat_map<int, int> table;
  for (int i = 0; i < 1000; ++i) table[i] = i;
  Release(table);
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(table.bucket_count(), 0u);
}

}  // namespace
}  // namespace khtrace
