// SPDX-License-Identifier: Apache-2.0
#include "base/percent.h"

#include <gtest/gtest.h>

namespace khtrace {
namespace {

TEST(PercentEncode, LeavesLettersDigitsAndFourMarks) {
  EXPECT_EQ(PercentEncode("AZaz09-._~"), "AZaz09-._~");
  EXPECT_EQ(PercentEncode(""), "");
}

TEST(PercentEncode, EncodesEveryOtherByte) {
  EXPECT_EQ(PercentEncode("a/b?c=d&e+f g%"), "a%2Fb%3Fc%3Dd%26e%2Bf%20g%25");
  EXPECT_EQ(PercentEncode("ø"), "%C3%B8");
  EXPECT_EQ(PercentEncode(std::string_view("\0\x7f\xff", 3)), "%00%7F%FF");
}

}  // namespace
}  // namespace khtrace
