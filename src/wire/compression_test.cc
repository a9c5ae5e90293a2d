// SPDX-License-Identifier: Apache-2.0
#include "wire/compression.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <random>
#include <string>
#include <vector>

namespace khtrace::wire {
namespace {

constexpr size_t kNoLimit = size_t{1} << 30;

// `window_bits`: -15 raw, 15 zlib, 31 gzip.
std::string Deflate(std::string_view bytes, int window_bits) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Compress(Coding coding, std::string_view bytes) {
  switch (coding) {
    case Coding::kGzip:
      return GzipCompress(bytes);
    case Coding::kDeflate:
      return Deflate(bytes, 15);
    case Coding::kZstd:
      return ZstdCompress(bytes, 3);
    case Coding::kIdentity:
      break;
  }
  return std::string(bytes);
}

std::vector<std::string> Samples() {
  std::mt19937 random(7);
  std::string noise;
  for (int i = 0; i < 200'000; ++i) noise += static_cast<char>(random());
  return {"", "a", std::string(1'000'000, 'z'), noise,
          noise + std::string(100'000, '\0') + noise};
}

const Coding kCompressed[] = {Coding::kGzip, Coding::kDeflate, Coding::kZstd};

TEST(ParseCoding, KnowsTheNamesInAnyCase) {
  EXPECT_EQ(*ParseCoding(""), Coding::kIdentity);
  EXPECT_EQ(*ParseCoding("identity"), Coding::kIdentity);
  EXPECT_EQ(*ParseCoding("GZip"), Coding::kGzip);
  EXPECT_EQ(*ParseCoding("x-gzip"), Coding::kGzip);
  EXPECT_EQ(*ParseCoding("deflate"), Coding::kDeflate);
  EXPECT_EQ(*ParseCoding("ZLIB"), Coding::kDeflate);
  EXPECT_EQ(*ParseCoding("zstd"), Coding::kZstd);
}

TEST(ParseCoding, RefusesOthersByName) {
  const auto coding = ParseCoding("br");
  ASSERT_FALSE(coding);
  EXPECT_EQ(coding.error().code, Code::kInvalidArgument);
  EXPECT_NE(coding.error().message.find("'br'"), std::string::npos);
  EXPECT_NE(coding.error().message.find("zstd"), std::string::npos);
}

TEST(Decompress, GivesBackWhatWasCompressed) {
  for (const std::string& text : Samples()) {
    for (const Coding coding : kCompressed) {
      const auto inflated =
          Decompress(coding, Compress(coding, text), kNoLimit);
      ASSERT_TRUE(inflated) << inflated.error().message;
      EXPECT_EQ(*inflated, text);
    }
    EXPECT_EQ(*Decompress(Coding::kDeflate, Deflate(text, -15), kNoLimit),
              text);
    EXPECT_EQ(*Decompress(Coding::kIdentity, text, text.size()), text);
  }
}

TEST(Decompress, TakesExactlyItsLimitAndNotAByteMore) {
  for (const std::string& text : Samples()) {
    if (text.empty()) continue;
    for (const Coding coding :
         {Coding::kIdentity, Coding::kGzip, Coding::kDeflate, Coding::kZstd}) {
      const std::string bytes = Compress(coding, text);
      EXPECT_TRUE(Decompress(coding, bytes, text.size()));
      const auto over = Decompress(coding, bytes, text.size() - 1);
      ASSERT_FALSE(over);
      EXPECT_EQ(over.error().code, Code::kResourceExhausted);
    }
  }
}

TEST(Decompress, StopsABombAtItsLimit) {
  const std::string gzip = GzipCompress(std::string(64 << 20, '\0'), 9);
  EXPECT_LT(gzip.size(), 100'000u);
  const auto once = Decompress(Coding::kGzip, gzip, 1 << 20);
  ASSERT_FALSE(once);
  EXPECT_EQ(once.error().code, Code::kResourceExhausted);
  // Many small members are the same bomb.
  std::string many;
  const std::string member = GzipCompress(std::string(100'000, '\0'));
  for (int i = 0; i < 20; ++i) many += member;
  EXPECT_FALSE(Decompress(Coding::kGzip, many, 1 << 20));
  EXPECT_EQ(Decompress(Coding::kGzip, many, 2'000'000)->size(), 2'000'000u);
}

TEST(Decompress, JoinsGzipMembersAndZstdFrames) {
  EXPECT_EQ(
      *Decompress(Coding::kGzip,
                  GzipCompress("one ") + GzipCompress("") + GzipCompress("two"),
                  kNoLimit),
      "one two");
  EXPECT_EQ(
      *Decompress(Coding::kZstd,
                  ZstdCompress("one ", 1) + ZstdCompress("two", 1), kNoLimit),
      "one two");
}

TEST(Decompress, RefusesEveryTruncation) {
  const std::string text = "a text that is long enough to be cut, cut, cut";
  for (const Coding coding : kCompressed) {
    const std::string bytes = Compress(coding, text);
    for (size_t size = 0; size < bytes.size(); ++size) {
      const auto cut =
          Decompress(coding, std::string_view(bytes).substr(0, size), kNoLimit);
      ASSERT_FALSE(cut) << size;
      EXPECT_EQ(cut.error().code, Code::kInvalidArgument);
    }
  }
}

TEST(Decompress, RefusesBytesBehindTheEnd) {
  for (const Coding coding : kCompressed) {
    for (const std::string_view tail : {"x", "garbage behind the end"}) {
      const auto result = Decompress(
          coding, Compress(coding, "text") + std::string(tail), kNoLimit);
      ASSERT_FALSE(result);
      EXPECT_EQ(result.error().code, Code::kInvalidArgument);
    }
  }
}

TEST(Decompress, RefusesWhatIsNotCompressed) {
  for (const Coding coding : kCompressed) {
    const auto result = Decompress(coding, "{\"resourceSpans\":[]}", kNoLimit);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::kInvalidArgument);
  }
}

TEST(Decompress, RefusesAZstdWindowThatWouldCostMoreThanTheLimit) {
  // A frame header: magic, no content size, a window of 2 GiB; then an empty
  // last block.
  const std::string frame("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9);
  const auto result = Decompress(Coding::kZstd, frame, 1 << 20);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kResourceExhausted);
}

TEST(OwnFormats, GiveBackWhatWasCompressed) {
  for (const std::string& text : Samples()) {
    EXPECT_EQ(*ZstdDecompress(ZstdCompress(text, 1), text.size()), text);
    EXPECT_EQ(*Lz4Decompress(Lz4Compress(text), text.size()), text);
  }
}

TEST(OwnFormats, RefuseAnotherSizeThanTheirs) {
  const std::string text(1000, 'q');
  for (const size_t size :
       {size_t{0}, size_t{999}, size_t{1001}, kNoLimit, SIZE_MAX}) {
    const auto zstd = ZstdDecompress(ZstdCompress(text, 1), size);
    ASSERT_FALSE(zstd);
    EXPECT_EQ(zstd.error().code, Code::kDataLoss);
    const auto lz4 = Lz4Decompress(Lz4Compress(text), size);
    ASSERT_FALSE(lz4);
    EXPECT_EQ(lz4.error().code, Code::kDataLoss);
  }
}

}  // namespace
}  // namespace khtrace::wire
