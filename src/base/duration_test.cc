// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "base/text.h"

namespace khtrace {
namespace {

using std::chrono::nanoseconds;

TEST(ParseGoDuration, ReadsGosForms) {
  const struct {
    const char* text;
    int64_t ns;
  } cases[] = {
      {"0", 0},
      {"-0", 0},
      {"0s", 0},
      {"300ms", 300'000'000},
      {"-1.5h", -5'400'000'000'000},
      {"+5s", 5'000'000'000},
      {"2h45m", 9'900'000'000'000},
      {"1h0m0.5s", 3'600'500'000'000},
      {"1us", 1'000},
      {"1\u00b5s", 1'000},
      {"1\u03bcs", 1'000},
      {"7ns", 7},
      {".5s", 500'000'000},
      {"5.s", 5'000'000'000},
      {"0.1ns", 0},
      {"0.3333333333333333333h", 1'199'999'999'999},
      {"9223372036854775807ns", INT64_MAX},
      {"-9223372036854775808ns", INT64_MIN},
      {"9223372036.854775807s", INT64_MAX},
  };
  for (const auto& c : cases) {
    const auto parsed = ParseGoDuration(c.text);
    ASSERT_TRUE(parsed) << c.text << ": " << parsed.error().message;
    EXPECT_EQ(parsed->count(), c.ns) << c.text;
  }
}

TEST(ParseGoDuration, RefusesAndQuotesEverythingElse) {
  for (const char* bad : {"",
                          "-",
                          "+",
                          "1",
                          "s",
                          ".",
                          ".s",
                          "1.5",
                          "1x",
                          "1 s",
                          " 1s",
                          "1s ",
                          "1s2",
                          "--1s",
                          "1..5s",
                          "1S",
                          "1d",
                          "9223372036854775808ns",
                          "-9223372036854775809ns",
                          "292471209h",
                          "99999999999999999999s",
                          "1\xb5s"}) {
    const auto parsed = ParseGoDuration(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, Code::kInvalidArgument);
    EXPECT_NE(parsed.error().message.find("'" + std::string(bad) + "'"),
              std::string::npos);
  }
}

TEST(FormatGoDuration, WritesTheExactValueWithoutZeroParts) {
  const struct {
    int64_t ns;
    const char* text;
  } cases[] = {
      {0, "0s"},
      {7, "7ns"},
      {250'000, "250µs"},
      {1'500, "1.5µs"},
      {1'500'000, "1.5ms"},
      {1'500'000'000, "1.5s"},
      {60'000'000'000, "1m"},
      {3'723'000'000'000, "1h2m3s"},
      {3'600'000'000'001, "1h0.000000001s"},
      {-90'000'000'000, "-1m30s"},
      {INT64_MIN, "-2562047h47m16.854775808s"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(FormatGoDuration(nanoseconds(c.ns)), c.text);
  }
}

TEST(FormatGoDuration, ParsesBackToTheSame) {
  uint64_t x = 1;
  for (int i = 0; i < 2000; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    const nanoseconds d(static_cast<int64_t>(x) >> (i % 64));
    const auto back = ParseGoDuration(FormatGoDuration(d));
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, d);
  }
}

TEST(FormatDurationShort, ShowsAboutThreeDigits) {
  const struct {
    int64_t ns;
    const char* text;
  } cases[] = {
      {0, "0 ns"},
      {999, "999 ns"},
      {1'000, "1 µs"},
      {1'234'567, "1.23 ms"},
      {999'600, "1 ms"},
      {45'100'000'000, "45.1 s"},
      {59'960'000'000, "1 min"},
      {125'000'000'000, "2 min 5 s"},
      {3'599'700'000'000, "1 h"},
      {11'520'000'000'000, "3 h 12 min"},
      {86'400'000'000'000, "1 d"},
      {273'600'000'000'000, "3 d 4 h"},
      {-1'230'000, "-1.23 ms"},
      {INT64_MAX, "106752 d"},
      {INT64_MIN, "-106752 d"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(FormatDurationShort(nanoseconds(c.ns)), c.text) << c.ns;
  }
}

}  // namespace
}  // namespace khtrace
