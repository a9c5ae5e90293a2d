// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "base/text.h"

namespace khtrace {
namespace {

TEST(FormatRfc3339, TrimsZerosOfTheFraction) {
  EXPECT_EQ(FormatRfc3339({0}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(FormatRfc3339({1}), "1970-01-01T00:00:00.000000001Z");
  EXPECT_EQ(FormatRfc3339({1'709'164'800'500'000'000}),
            "2024-02-29T00:00:00.5Z");
  EXPECT_EQ(FormatRfc3339(UnixNanos::Max()), "2554-07-21T23:34:33.709551615Z");
}

TEST(ParseRfc3339, ReadsOffsetsAndSeparators) {
  constexpr uint64_t kTime = 1'709'208'000'000'000'000;  // 2024-02-29 12:00 UTC
  for (const char* text :
       {"2024-02-29T12:00:00Z", "2024-02-29t12:00:00z", "2024-02-29 12:00:00Z",
        "2024-02-29T14:30:00+02:30", "2024-02-29T14:30:00 02:30",
        "2024-02-28T23:00:00-13:00", "2024-02-29T12:00:00.000Z",
        "2024-02-29T11:59:60Z"}) {
    const auto parsed = ParseRfc3339(text);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->ns, kTime) << text;
  }
}

TEST(ParseRfc3339, ReadsNineDigitsAndDropsTheRest) {
  EXPECT_EQ(ParseRfc3339("1970-01-01T00:00:00.123456789Z")->ns, 123'456'789u);
  EXPECT_EQ(ParseRfc3339("1970-01-01T00:00:00.1Z")->ns, 100'000'000u);
  EXPECT_EQ(ParseRfc3339("1970-01-01T00:00:00.1234567899999Z")->ns,
            123'456'789u);
}

TEST(ParseRfc3339, RefusesAndQuotesEverythingElse) {
  for (const char* bad : {"",
                          "2024-02-29",
                          "2024-02-29T12:00:00",
                          "2024-02-30T12:00:00Z",
                          "2023-02-29T12:00:00Z",
                          "2024-13-01T12:00:00Z",
                          "2024-00-01T12:00:00Z",
                          "2024-01-00T12:00:00Z",
                          "2024-01-01T24:00:00Z",
                          "2024-01-01T12:60:00Z",
                          "2024-01-01T12:00:61Z",
                          "2024-01-01T12:00:00.Z",
                          "2024-1-01T12:00:00Z",
                          "2024-01-01T12:00Z",
                          "2024-01-01T12:00:00+0200",
                          "2024-01-01T12:00:00+24:00",
                          "2024-01-01T12:00:00Zx",
                          "-024-01-01T12:00:00Z",
                          "1969-12-31T23:59:59Z",
                          "1970-01-01T00:00:00+00:01",
                          "2554-07-21T23:34:33.709551616Z",
                          "9999-12-31T23:59:59Z"}) {
    const auto parsed = ParseRfc3339(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, Code::kInvalidArgument);
    EXPECT_NE(parsed.error().message.find("'" + std::string(bad) + "'"),
              std::string::npos);
  }
}

TEST(ParseRfc3339, ReadsBackWhatFormatWrites) {
  uint64_t x = 1;
  for (int i = 0; i < 2000; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    const UnixNanos time{x >> (i % 64)};
    const auto back = ParseRfc3339(FormatRfc3339(time));
    ASSERT_TRUE(back) << FormatRfc3339(time);
    EXPECT_EQ(*back, time);
  }
  EXPECT_EQ(*ParseRfc3339(FormatRfc3339(UnixNanos::Max())), UnixNanos::Max());
}

}  // namespace
}  // namespace khtrace
