// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/encoding_template.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <random>
#include <string>
#include <vector>

#include "base/hash.h"
#include "storage/columnar/encoding_template_split.h"

namespace khtrace::storage::columnar {
namespace {

using Texts = std::vector<std::string>;

std::string JoinAgain(const std::string& pattern,
                      const std::vector<uint64_t>& numbers) {
  std::string text;
  size_t next = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != kSlot) {
      text.push_back(pattern[i]);
      continue;
    }
    char digits[24];
    const auto form = static_cast<NumberForm>(pattern[++i]);
    EXPECT_TRUE(IsNumberForm(form));
    const unsigned size = PrintNumber(numbers[next++], form, digits);
    EXPECT_GE(size, LeastDigits(form));
    text.append(digits, size);
  }
  EXPECT_EQ(next, numbers.size());
  return text;
}

TEST(TemplateSplit, TextsComeBackDigitByDigit) {
  const Texts texts = {
      "",
      "plain words, deadbeef and facade",
      "GET web-frontend:4656721:v2",
      "/api/orders/33d586ce-3173-4be3-a002-39c7dc598d0a",
      "0",
      "00",
      "007 0070 10.0.3.07",
      "18446744073709551615",
      "99999999999999999999999999999999999999990",
      "0000000000000000000000000000000000000000001",
      "0123456789abcdef0123456789abcdef0123456789abcdefa",
      "ABCDEF12 1a 1ab 1abc abc1 a1b2c3",
  };
  for (const std::string& text : texts) {
    std::string pattern;
    std::vector<uint64_t> numbers;
    ASSERT_TRUE(SplitNumbers(text, &pattern, &numbers)) << text;
    EXPECT_EQ(JoinAgain(pattern, numbers), text);
  }
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (size_t n = random() % 40; n > 0; --n) {
      text.push_back("0019abcfg-x"[random() % 11]);
    }
    std::string pattern;
    std::vector<uint64_t> numbers;
    ASSERT_TRUE(SplitNumbers(text, &pattern, &numbers));
    ASSERT_EQ(JoinAgain(pattern, numbers), text);
  }
}

// The rule, character by character: a run of decimal digits is a number, with
// the letters around it a hexadecimal one if that makes four digits.
std::string SplitSlowly(const std::string& text) {
  const auto is_decimal = [&](size_t i) { return std::isdigit(text[i]) != 0; };
  const auto is_hex = [&](size_t i) {
    return is_decimal(i) || (text[i] >= 'a' && text[i] <= 'f');
  };
  std::string runs;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    bool decimal = false;
    bool letter = false;
    for (; end < text.size() && is_hex(end); ++end) {
      (is_decimal(end) ? decimal : letter) = true;
    }
    size_t next = std::max(end, i + 1);
    if (decimal && letter && end - i >= 4) {
      runs += "x" + std::to_string(i) + "+" + std::to_string(end - i) + " ";
    } else if (decimal) {
      while (!is_decimal(i)) ++i;
      for (next = i; next < text.size() && is_decimal(next);) ++next;
      runs += "d" + std::to_string(i) + "+" + std::to_string(next - i) + " ";
    }
    i = next;
  }
  return runs;
}

// What SplitNumbers found, in the same words.
std::string RunsOf(const std::string& text) {
  std::string pattern;
  std::vector<uint64_t> numbers;
  EXPECT_TRUE(SplitNumbers(text, &pattern, &numbers));
  std::string runs;
  size_t at = 0;
  size_t next = 0;
  for (size_t i = 0; i < pattern.size(); ++i, ++at) {
    if (pattern[i] != kSlot) continue;
    const size_t begin = at;
    const auto first = static_cast<NumberForm>(pattern[i + 1]);
    const bool hex = first >= 1 && first <= kMaxHexDigits;
    // A long run is told in pieces.
    for (bool whole = true; whole && i < pattern.size() && pattern[i] == kSlot;
         i += 2) {
      char digits[24];
      const auto form = static_cast<NumberForm>(pattern[i + 1]);
      const unsigned size = PrintNumber(numbers[next++], form, digits);
      at += size;
      whole = size == (hex ? kMaxHexDigits : kMaxDecimalDigits);
    }
    --i;
    --at;
    runs += (hex ? "x" : "d") + std::to_string(begin) + "+" +
            std::to_string(at + 1 - begin) + " ";
  }
  return runs;
}

TEST(TemplateSplit, FindsNumbersWhereverTheyLie) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    // Seldom a digit: runs meet the bounds of words of 64 characters.
    const size_t rare = random() % 2 == 0 ? 12 : 60;
    for (size_t n = random() % (i % 100 == 0 ? 1500 : 200); n > 0; --n) {
      text.push_back("09abf-g/GA zzz"[random() % rare % 14]);
    }
    ASSERT_EQ(RunsOf(text), SplitSlowly(text)) << text;
  }
}

TEST(TemplateSplit, TextsThatDifferInNumbersShareATemplate) {
  std::string first;
  std::string second;
  std::vector<uint64_t> numbers;
  ASSERT_TRUE(SplitNumbers("GET cart:17:v2", &first, &numbers));
  ASSERT_TRUE(SplitNumbers("GET cart:4711:v2", &second, &numbers));
  EXPECT_EQ(first, second);
  EXPECT_EQ(numbers, (std::vector<uint64_t>{17, 2, 4711, 2}));
}

TEST(TemplateSplit, TextWithTheSlotsMarkIsRefused) {
  std::string pattern;
  std::vector<uint64_t> numbers;
  EXPECT_FALSE(SplitNumbers(std::string("a\0b", 3), &pattern, &numbers));
}

Texts Keys(size_t n) {
  std::mt19937_64 random(8);
  Texts texts;
  for (size_t i = 0; i < n; ++i) {
    switch (random() % 4) {
      case 0:
        texts.push_back("GET cart:" + std::to_string(random() % 100'000));
        break;
      case 1:
        texts.push_back("SELECT 1");
        break;
      case 2:
        texts.push_back("10.0." + std::to_string(random() % 256) + "." +
                        std::to_string(random() % 256));
        break;
      default:
        texts.push_back("");
    }
  }
  return texts;
}

struct Page {
  std::string bytes;
  Texts texts;
};

Page EncodeKeys(size_t n) {
  Page page;
  page.texts = Keys(n);
  const std::vector<std::string_view> views(page.texts.begin(),
                                            page.texts.end());
  std::vector<uint64_t> hashes;
  for (const std::string_view text : views) hashes.push_back(Hash64(text));
  EXPECT_TRUE(EncodeTemplates(views, hashes, 3, &page.bytes));
  return page;
}

TEST(EncodingTemplate, RoundTripsInWholeAndInPart) {
  for (const uint32_t n : {1u, 2u, 255u, 5000u}) {
    const Page page = EncodeKeys(n);
    for (const uint32_t begin : {0u, 1u, n / 2, n - 1}) {
      for (const uint32_t size : {0u, 1u, 100u, n}) {
        if (begin > n) continue;
        const uint32_t take = std::min(size, n - begin);
        DecodedTexts out;
        const Status status =
            DecodeTexts(Encoding::kTemplates, page.bytes, n, begin, take, &out);
        ASSERT_TRUE(status.has_value()) << status.error().message;
        ASSERT_TRUE(std::equal(out.texts.begin(), out.texts.end(),
                               page.texts.begin() + begin,
                               page.texts.begin() + begin + take));
      }
    }
  }
}

TEST(EncodingTemplate, PaysForNumbersAndNotForWords) {
  const Texts keys = Keys(5000);
  EXPECT_TRUE(
      TemplatesPay(std::vector<std::string_view>(keys.begin(), keys.end())));
  std::mt19937_64 random(9);
  Texts words;
  for (int i = 0; i < 5000; ++i) {
    std::string word;
    for (int j = 0; j < 8; ++j) word.push_back("ghijklmn"[random() % 8]);
    words.push_back(word);
  }
  EXPECT_FALSE(
      TemplatesPay(std::vector<std::string_view>(words.begin(), words.end())));
}

TEST(EncodingTemplate, DamagedPagesAreRefusedOrDecodedWithinBounds) {
  const Page page = EncodeKeys(300);
  std::mt19937_64 random(10);
  for (int i = 0; i < 30'000; ++i) {
    std::string bad = page.bytes;
    bad[random() % bad.size()] = static_cast<char>(random());
    if (i % 3 == 0) bad.resize(random() % bad.size());
    DecodedTexts out;
    const Status status = DecodeTemplates(bad, 300, 10, 280, &out);
    if (!status) continue;
    ASSERT_EQ(out.texts.size(), 280u);
  }
}

TEST(TextSearch, FindsWhatDecodingFinds) {
  const std::vector<std::string_view> texts = {"u-1",
                                               "u-10",
                                               "u-01",
                                               "u-1",
                                               "",
                                               "x",
                                               "10.0.3.07",
                                               "a1b2c3d4e5f6 7",
                                               "0",
                                               "00",
                                               "u-",
                                               "u-18446744073709551615",
                                               "u-1 2",
                                               "u-12",
                                               "u-1 22",
                                               "99999999999999999999999999",
                                               "deadbeef0123",
                                               "u-10",
                                               "u-1"};
  std::vector<uint64_t> hashes;
  for (const std::string_view text : texts) hashes.push_back(Hash64(text));
  std::string templates;
  ASSERT_TRUE(EncodeTemplates(texts, hashes, 1, &templates));
  std::string blocks;
  EncodeTextBlocks(texts, 1, &blocks);
  std::vector<std::string_view> wanted = texts;
  wanted.insert(wanted.end(), {"u-2", "u-1 ", "u", "no", "000", "1",
                               "u-184467440737095516150", "deadbeef0124"});
  const auto count = static_cast<uint32_t>(texts.size());
  for (const std::string_view text : wanted) {
    std::vector<uint32_t> expected;
    for (uint32_t i = 0; i < count; ++i) {
      if (texts[i] == text) expected.push_back(i);
    }
    std::vector<uint32_t> found = {77};
    ASSERT_TRUE(FindText(Encoding::kTemplates, templates, count, text, &found));
    EXPECT_EQ(found, expected) << text;
    ASSERT_TRUE(FindText(Encoding::kTextBlocks, blocks, count, text, &found));
    EXPECT_EQ(found, expected) << text;
  }
}

}  // namespace
}  // namespace khtrace::storage::columnar
