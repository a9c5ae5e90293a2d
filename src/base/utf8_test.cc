// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "base/text.h"

namespace khtrace {
namespace {

const std::string kReplacement = "\xef\xbf\xbd";

// UTF-8 from the definition, byte by byte through the code point: an oracle
// that shares nothing with the code under test.
bool IsValidByDefinition(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  for (size_t i = 0; i < text.size();) {
    size_t length = 1;
    if ((byte(i) & 0xe0) == 0xc0) {
      length = 2;
    } else if ((byte(i) & 0xf0) == 0xe0) {
      length = 3;
    } else if ((byte(i) & 0xf8) == 0xf0) {
      length = 4;
    } else if (byte(i) >= 0x80) {
      return false;
    }
    if (i + length > text.size()) return false;
    uint32_t point = length == 1 ? byte(i) : byte(i) & (0xffu >> (length + 1));
    for (size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xc0) != 0x80) return false;
      point = point << 6 | (byte(i + k) & 0x3f);
    }
    constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < kLeast[length] || point > 0x10ffff) return false;
    if (point >= 0xd800 && point <= 0xdfff) return false;
    i += length;
  }
  return true;
}

TEST(Utf8, AcceptsTextOfEveryLength) {
  std::string text;
  for (int i = 0; i < 70; ++i) {
    EXPECT_TRUE(IsValidUtf8(text)) << i;
    text.push_back(static_cast<char>(i));
  }
  EXPECT_TRUE(IsValidUtf8("naïve Ünïcödé, 日本語のテキスト, 😀, \U0010ffff"));
  EXPECT_TRUE(IsValidUtf8(std::string_view("\0", 1)));
}

TEST(Utf8, FindsOneBadByteAnywhere) {
  for (size_t size = 1; size < 70; ++size) {
    for (size_t at = 0; at < size; ++at) {
      std::string text(size, 'a');
      text[at] = '\xff';
      EXPECT_FALSE(IsValidUtf8(text)) << size << " " << at;
      text[at] = '\x80';
      EXPECT_FALSE(IsValidUtf8(text)) << size << " " << at;
    }
  }
}

TEST(Utf8, RefusesOverlongSurrogatesAndBeyondUnicode) {
  for (const char* bad :
       {"\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80", "\xfe", "\xff"}) {
    EXPECT_FALSE(IsValidUtf8(bad)) << bad;
  }
}

TEST(Utf8, RefusesCutCharacters) {
  const std::string whole = "\xf0\x9f\x98\x80";
  for (size_t size = 1; size < whole.size(); ++size) {
    EXPECT_FALSE(IsValidUtf8(whole.substr(0, size)));
    EXPECT_FALSE(IsValidUtf8(whole.substr(0, size) + "aaaaaaaaaaaaaaaaaaaa"));
  }
}

TEST(Utf8, AgreesWithTheDefinitionOnEveryPairAndLead) {
  std::string text(4, '\0');
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      for (const char tail : {'\x7f', '\x80', '\xbf', '\xc2'}) {
        text[0] = static_cast<char>(a);
        text[1] = static_cast<char>(b);
        text[2] = text[3] = tail;
        for (size_t size = 1; size <= 4; ++size) {
          const std::string_view part(text.data(), size);
          ASSERT_EQ(IsValidUtf8(part), IsValidByDefinition(part))
              << a << " " << b << " " << static_cast<int>(tail);
        }
        ASSERT_TRUE(IsValidByDefinition(SanitizeUtf8(text)));
      }
    }
  }
}

TEST(SanitizeUtf8, KeepsValidText) {
  EXPECT_EQ(SanitizeUtf8(""), "");
  EXPECT_EQ(SanitizeUtf8("naïve 😀"), "naïve 😀");
}

// The example of the Unicode standard, table 3-8 and after.
TEST(SanitizeUtf8, ReplacesEachMaximalPartOnce) {
  const auto times = [](int n) {
    std::string out;
    while (n-- > 0) out += kReplacement;
    return out;
  };
  EXPECT_EQ(SanitizeUtf8("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41"),
            times(8) + "A");
  EXPECT_EQ(SanitizeUtf8("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41"),
            times(8) + "A");
  EXPECT_EQ(SanitizeUtf8("\xf4\x91\x92\x93\xff\x41\x80\xbf\x42"),
            times(5) + "A" + times(2) + "B");
  EXPECT_EQ(SanitizeUtf8("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"),
            times(4) + "A");
}

}  // namespace
}  // namespace khtrace
