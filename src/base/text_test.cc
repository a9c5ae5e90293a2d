// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace khtrace {
namespace {

TEST(ParseByteSize, ReadsDecimalAndBinaryUnits) {
  const struct {
    const char* text;
    uint64_t bytes;
  } cases[] = {
      {"0", 0},
      {"4096", 4096},
      {"7B", 7},
      {"1kB", 1'000},
      {"1GB", 1'000'000'000},
      {"64MiB", 64ull << 20},
      {"64 mib", 64ull << 20},
      {"2TiB", 2ull << 40},
      {"18446744073709551615", UINT64_MAX},
  };
  for (const auto& c : cases) {
    const auto parsed = ParseByteSize(c.text);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(*parsed, c.bytes) << c.text;
  }
}

TEST(ParseByteSize, RefusesAndQuotesEverythingElse) {
  for (const char* bad :
       {"", "MiB", "-1", "1.5GB", "64M", "64Mi", "1 ", " 1", "1  B", "1GBs",
        "18446744073709551616", "16384PiB", "99999999999999999999999"}) {
    const auto parsed = ParseByteSize(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, Code::kInvalidArgument);
    EXPECT_NE(parsed.error().message.find("'" + std::string(bad) + "'"),
              std::string::npos);
  }
}

TEST(FormatByteSize, UsesTheLargestBinaryUnit) {
  EXPECT_EQ(FormatByteSize(0), "0 B");
  EXPECT_EQ(FormatByteSize(1023), "1023 B");
  EXPECT_EQ(FormatByteSize(1024), "1.0 KiB");
  EXPECT_EQ(FormatByteSize((1u << 20) - 1), "1.0 MiB");
  EXPECT_EQ(FormatByteSize(1'288'490'188), "1.2 GiB");
  EXPECT_EQ(FormatByteSize(UINT64_MAX), "16.0 EiB");
}

TEST(PercentDecode, DecodesEscapesAndKeepsMalformedOnes) {
  EXPECT_EQ(PercentDecode("a%20b%2Fc%2f", false), "a b/c/");
  EXPECT_EQ(PercentDecode("%", false), "%");
  EXPECT_EQ(PercentDecode("%4", false), "%4");
  EXPECT_EQ(PercentDecode("%zz%41", false), "%zzA");
  EXPECT_EQ(PercentDecode("%00", false), std::string(1, '\0'));
  EXPECT_EQ(PercentDecode("%2541", false), "%41");
}

TEST(PercentDecode, PlusIsASpaceOnlyIfAsked) {
  EXPECT_EQ(PercentDecode("a+b", true), "a b");
  EXPECT_EQ(PercentDecode("a+b", false), "a+b");
  EXPECT_EQ(PercentDecode("a%2Bb", true), "a+b");
}

TEST(NearestWord, FindsWhatWasMeant) {
  const std::vector<std::string_view> words{"receivers", "processors",
                                            "exporters", "ttl"};
  EXPECT_EQ(NearestWord("reciever", words), "receivers");
  EXPECT_EQ(NearestWord("Exporters", words), "exporters");
  EXPECT_EQ(NearestWord("tl", words), "ttl");
  EXPECT_EQ(NearestWord("tenants", words), std::nullopt);
  EXPECT_EQ(NearestWord("", words), std::nullopt);
  EXPECT_EQ(NearestWord("x", {}), std::nullopt);
  EXPECT_EQ(NearestWord(std::string(100'000, 'x'), words), std::nullopt);
}

TEST(NearestWord, DoesNotTakeAnUnrelatedShortWord) {
  const std::vector<std::string_view> words{"a"};
  EXPECT_EQ(NearestWord("b", words), std::nullopt);
}

}  // namespace
}  // namespace khtrace
