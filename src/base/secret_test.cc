// SPDX-License-Identifier: Apache-2.0
#include "base/secret.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace khtrace {
namespace {

TEST(Secret, PrintsAsterisksOnly) {
  EXPECT_EQ(fmt::format("{}", Secret("hunter2")), "***");
}

TEST(Secret, MatchesOnlyItself) {
  const Secret secret("hunter2");
  EXPECT_TRUE(secret.Matches("hunter2"));
  for (const char* wrong :
       {"", "hunter", "hunter22", "Hunter2", "xunter2", "hunter2hunter2"}) {
    EXPECT_FALSE(secret.Matches(wrong)) << wrong;
  }
}

TEST(Secret, EmptyMatchesNothing) {
  EXPECT_TRUE(Secret().empty());
  EXPECT_FALSE(Secret().Matches(""));
}

TEST(Secret, RevealsOnDemand) {
  EXPECT_EQ(Secret("hunter2").Reveal(), "hunter2");
}

}  // namespace
}  // namespace khtrace
