// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/encoding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <random>
#include <set>

#include "base/hash.h"
#include "storage/columnar/encoding_bits.h"
#include "storage/columnar/encoding_bytes.h"
#include "storage/columnar/encoding_filter.h"
#include "storage/columnar/encoding_int.h"
#include "storage/columnar/encoding_text.h"
#include "storage/columnar/encoding_zstd.h"
#include "storage/columnar/part_trace_index.h"

namespace khtrace::storage::columnar {
namespace {

using Ints = std::vector<uint64_t>;

constexpr std::array kHints = {IntHint::kAny, IntHint::kNoConstant,
                               IntHint::kCodes, IntHint::kPlain,
                               IntHint::kDoubles};

Ints DecodeAll(Encoding encoding, std::string_view page, uint32_t n) {
  Result<IntPage> opened = IntPage::Open(encoding, page, n);
  EXPECT_TRUE(opened.has_value());
  Ints out(n);
  EXPECT_TRUE(opened->Decode(0, n, out.data()).has_value());
  return out;
}

void ExpectRoundTrip(const Ints& values) {
  for (const IntHint hint : kHints) {
    std::string page;
    const Encoding encoding = EncodeInts(values, hint, 3, &page);
    const auto n = static_cast<uint32_t>(values.size());
    ASSERT_EQ(DecodeAll(encoding, page, n), values) << EncodingName(encoding);
    // Any range alone.
    const Result<IntPage> opened = IntPage::Open(encoding, page, n);
    for (const uint32_t begin : {0u, n / 3, n / 2, n - 1}) {
      for (const uint32_t size : {1u, 7u, 256u, n}) {
        Ints part(std::min(size, n - begin));
        ASSERT_TRUE(
            opened
                ->Decode(begin, static_cast<uint32_t>(part.size()), part.data())
                .has_value());
        ASSERT_TRUE(
            std::equal(part.begin(), part.end(), values.begin() + begin));
      }
    }
  }
}

TEST(EncodingBits, EveryWidthRoundTripsForEveryCount) {
  std::mt19937_64 random(1);
  for (unsigned width = 0; width <= 64; ++width) {
    for (const size_t count : {1u, 7u, 8u, 9u, 63u, 256u}) {
      Ints values(count);
      for (uint64_t& v : values) v = random() & WidthMask(width);
      std::string packed = "x";  // unaligned
      PackBits(values.data(), count, width, &packed);
      ASSERT_EQ(packed.size(), 1 + PackedBytes(count, width));
      packed.append(kPackedSlack, '\xff');
      Ints out(count + 8);
      UnpackBits(packed.data() + 1, count, width, out.data());
      for (size_t i = 0; i < count; ++i) {
        ASSERT_EQ(out[i], values[i]) << width << " " << i;
        ASSERT_EQ(UnpackOne(packed.data() + 1, i, width), values[i]);
      }
    }
  }
}

TEST(EncodingInt, ValuesOfAllKindsRoundTrip) {
  std::mt19937_64 random(2);
  for (const size_t n : {1u, 2u, 255u, 256u, 257u, 5000u, 65536u}) {
    Ints constant(n, 42), zero(n, 0), top(n, UINT64_MAX), any(n), small(n);
    Ints rising(n), few(n), skewed(n);
    for (size_t i = 0; i < n; ++i) {
      any[i] = random();
      small[i] = random() % 10;
      rising[i] = 1'700'000'000'000'000'000ull + i * 1000 + random() % 1000;
      few[i] = Mix64(random() % 5);
      skewed[i] = random() % 50 == 0 ? random() : random() % 1000;
    }
    for (const Ints& values :
         {constant, zero, top, any, small, rising, few, skewed}) {
      ASSERT_NO_FATAL_FAILURE(ExpectRoundTrip(values));
    }
  }
}

TEST(EncodingInt, TheSmallestFormIsTaken) {
  std::mt19937_64 random(3);
  Ints few(10'000), skewed(10'000), random_bits(10'000), halves(10'000);
  for (size_t i = 0; i < few.size(); ++i) {
    few[i] = Mix64(random() % 5);
    skewed[i] = random() % 60 == 0 ? random() >> 20 : random() % 16;
    random_bits[i] = random();
    halves[i] =
        std::bit_cast<uint64_t>(static_cast<double>(random() % 5000) / 2);
  }
  const auto encode = [](const Ints& values, IntHint hint) {
    std::string page;
    return EncodeInts(values, hint, 3, &page);
  };
  EXPECT_EQ(encode(Ints(1000, 7), IntHint::kAny), Encoding::kConstant);
  EXPECT_EQ(encode(Ints(1000, 7), IntHint::kNoConstant), Encoding::kPacked);
  EXPECT_EQ(encode(few, IntHint::kAny), Encoding::kIndexed);
  EXPECT_EQ(encode(skewed, IntHint::kAny), Encoding::kPatched);
  EXPECT_EQ(encode(random_bits, IntHint::kAny), Encoding::kPlain);
  EXPECT_EQ(encode(halves, IntHint::kDoubles), Encoding::kTransposed);
}

TEST(EncodingInt, DamagedPagesAreRefusedOrDecodedWithinBounds) {
  std::mt19937_64 random(4);
  Ints values(1000);
  for (uint64_t& v : values) v = random() % 100 == 0 ? random() : random() % 99;
  for (const IntHint hint : kHints) {
    std::string page;
    const Encoding encoding = EncodeInts(values, hint, 3, &page);
    for (size_t size = 0; size < page.size(); ++size) {
      const std::string cut = page.substr(0, size);
      Result<IntPage> opened = IntPage::Open(encoding, cut, 1000);
      Ints out(1000);
      if (opened) (void)opened->Decode(0, 1000, out.data());
    }
    for (int i = 0; i < 3000; ++i) {
      std::string bad = page;
      bad[random() % bad.size()] = static_cast<char>(random());
      Result<IntPage> opened = IntPage::Open(encoding, bad, 1000);
      Ints out(1000);
      if (opened) (void)opened->Decode(0, 1000, out.data());
    }
  }
}

TEST(EncodingInt, UnknownEncodingIsRefusedByNumber) {
  const auto opened = IntPage::Open(static_cast<Encoding>(99), "", 1);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::kUnimplemented);
  EXPECT_NE(opened.error().message.find("99"), std::string::npos);
}

std::vector<std::string> OddTexts(size_t n) {
  std::mt19937_64 random(5);
  std::vector<std::string> texts = {"", std::string(300'000, 'x'), "a",
                                    std::string("\0b", 2)};
  while (texts.size() < n) {
    texts.push_back(std::to_string(random()) + std::string(random() % 40, 'y'));
  }
  texts.push_back("");
  return texts;
}

TEST(EncodingText, BlocksRoundTripInWholeAndInPart) {
  const std::vector<std::string> texts = OddTexts(5000);
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  std::string page;
  const Encoding encoding = EncodeTextBlocks(views, 3, &page);
  const auto n = static_cast<uint32_t>(views.size());
  for (const uint32_t begin : {0u, 1u, 1000u, n - 1}) {
    for (const uint32_t size : {1u, 100u, n}) {
      const uint32_t take = std::min(size, n - begin);
      DecodedTexts out;
      ASSERT_TRUE(
          DecodeTextBlocks(encoding, page, n, begin, take, &out).has_value());
      ASSERT_EQ(out.texts.size(), take);
      ASSERT_TRUE(std::equal(out.texts.begin(), out.texts.end(),
                             views.begin() + begin));
    }
  }
}

TEST(EncodingText, DictionaryRoundTrips) {
  const std::vector<std::string> texts = OddTexts(3000);
  const std::set<std::string_view> sorted(texts.begin(), texts.end());
  const std::vector<std::string_view> views(sorted.begin(), sorted.end());
  for (const size_t n : {size_t{1}, size_t{2}, views.size()}) {
    std::string page;
    const Encoding encoding =
        EncodeDictionary(std::span(views).first(n), 3, &page);
    const auto decoded =
        DecodeDictionary(encoding, page, static_cast<uint32_t>(n));
    ASSERT_TRUE(decoded.has_value());
    ASSERT_TRUE(std::equal(decoded->texts.begin(), decoded->texts.end(),
                           views.begin(), views.begin() + n));
  }
}

TEST(EncodingText, DamagedPagesAreRefusedOrDecodedWithinBounds) {
  std::mt19937_64 random(6);
  const std::vector<std::string> texts = {"", "abc", "abcd", "abd", "zz"};
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  std::string blocks;
  const Encoding as_blocks = EncodeTextBlocks(views, 3, &blocks);
  std::string dictionary;
  const Encoding as_dictionary = EncodeDictionary(views, 3, &dictionary);
  for (int i = 0; i < 20'000; ++i) {
    std::string bad = blocks;
    bad[random() % bad.size()] = static_cast<char>(random());
    DecodedTexts out;
    (void)DecodeTextBlocks(as_blocks, bad, 5, 1, 3, &out);
    bad = dictionary.substr(0, random() % dictionary.size() + 1);
    bad[random() % bad.size()] = static_cast<char>(random());
    (void)DecodeDictionary(as_dictionary, bad, 5);
  }
}

TEST(EncodingFilter, NeverDeniesWhatItHoldsAndSeldomAdmitsOthers) {
  Ints hashes;
  for (int i = 0; i < 10'000; ++i) hashes.push_back(Hash64(std::to_string(i)));
  std::string page;
  EncodeFilter(hashes, &page);
  EXPECT_LE(page.size(), 12'600u);
  for (const uint64_t hash : hashes) {
    ASSERT_TRUE(*FilterMayContain(page, hash));
  }
  int admitted = 0;
  for (int i = 0; i < 10'000; ++i) {
    admitted += *FilterMayContain(page, Hash64("other" + std::to_string(i)));
  }
  EXPECT_LT(admitted, 300);
  EXPECT_FALSE(FilterMayContain("short", 1).has_value());
}

TEST(EncodingZstd, FrameThatClaimsTooMuchIsRefusedWithoutMemory) {
  std::string frame;
  AppendZstd("hello", 3, &frame);
  std::string out;
  EXPECT_TRUE(ReadZstd(frame, 5, &out).has_value());
  EXPECT_EQ(out, "hello");
  EXPECT_FALSE(ReadZstd(frame, 6, &out).has_value());
  EXPECT_FALSE(ReadZstd(frame, uint64_t{1} << 40, &out).has_value());
}

TEST(TraceIndex, FindsEveryTraceAndHardlyAnyOther) {
  for (const size_t n : {1u, 2u, 9u, 1000u, 50'000u}) {
    std::vector<model::TraceId> ids;
    for (size_t i = 0; i < n; ++i) ids.push_back({i % 3, i + 1});
    std::string page;
    EncodeTraceIndex(ids, &page);
    const auto index = TraceIndex::Open(page, n);
    ASSERT_TRUE(index.has_value());
    std::vector<uint32_t> out;
    for (size_t i = 0; i < n; ++i) {
      ASSERT_TRUE(index->Candidates(ids[i], &out).has_value());
      ASSERT_NE(std::find(out.begin(), out.end(), i), out.end());
    }
    size_t others = 0;
    for (uint64_t i = 0; i < 1000; ++i) {
      ASSERT_TRUE(index->Candidates({77, i}, &out).has_value());
      others += out.size();
    }
    EXPECT_LT(others, 200u);
    EXPECT_FALSE(TraceIndex::Open(page.substr(1), n).has_value());
  }
}

}  // namespace
}  // namespace khtrace::storage::columnar
