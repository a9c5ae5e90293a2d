// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>

#include "base/text.h"

namespace khtrace {
namespace {

std::optional<std::string> Decoded(std::string_view hex) {
  std::string out(hex.size() / 2, '\0');
  if (!HexDecode(hex, std::as_writable_bytes(std::span(out)))) {
    return std::nullopt;
  }
  return out;
}

TEST(Hex, EncodesLowerCase) {
  const std::array<std::byte, 3> bytes{std::byte{0}, std::byte{0xaB},
                                       std::byte{0xff}};
  EXPECT_EQ(HexEncode(bytes), "00abff");
  EXPECT_EQ(HexEncode({}), "");
}

TEST(Hex, DecodesEitherCase) {
  EXPECT_EQ(Decoded("4aF0"), "\x4a\xf0");
  EXPECT_EQ(Decoded(""), "");
}

TEST(Hex, RefusesOddLengthAndOtherCharacters) {
  EXPECT_EQ(Decoded("abc"), std::nullopt);
  for (const char* bad : {"0g", "g0", "0x", " 0", "0\xff", "/0", ":0", "@0"}) {
    EXPECT_EQ(Decoded(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(Decoded(std::string_view("\0\0", 2)), std::nullopt);
}

TEST(Hex, RefusesWhenTheOutputIsTooSmall) {
  std::array<std::byte, 1> out;
  EXPECT_FALSE(HexDecode("abcd", out));
}

TEST(Hex, RoundTripsEveryByte) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  EXPECT_EQ(Decoded(HexEncode(std::as_bytes(std::span(all)))), all);
}

TEST(Base64, EncodesTheVectorsOfRfc4648) {
  EXPECT_EQ(Base64Encode(""), "");
  EXPECT_EQ(Base64Encode("f"), "Zg==");
  EXPECT_EQ(Base64Encode("fo"), "Zm8=");
  EXPECT_EQ(Base64Encode("foo"), "Zm9v");
  EXPECT_EQ(Base64Encode("foob"), "Zm9vYg==");
  EXPECT_EQ(Base64Encode("fooba"), "Zm9vYmE=");
  EXPECT_EQ(Base64Encode("foobar"), "Zm9vYmFy");
}

TEST(Base64, DecodesBothAlphabetsPaddedOrNot) {
  EXPECT_EQ(Base64Decode("++//"), "\xfb\xef\xff");
  EXPECT_EQ(Base64Decode("--__"), "\xfb\xef\xff");
  EXPECT_EQ(Base64Decode("Zg=="), "f");
  EXPECT_EQ(Base64Decode("Zg"), "f");
  EXPECT_EQ(Base64Decode("Zm8"), "fo");
  EXPECT_EQ(Base64Decode(""), "");
}

TEST(Base64, RefusesWhatNoEncoderWrites) {
  for (const char* bad : {"Z", "Zm9vY", "Zg=", "Zg===", "Z===", "====", "=",
                          "Zg==Zg==", "Zm 9v", "Zm9v\n", "Zm9*"}) {
    EXPECT_EQ(Base64Decode(bad), std::nullopt) << bad;
  }
}

TEST(Base64, RoundTripsEveryLength) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(Base64Decode(Base64Encode(bytes)), bytes);
    bytes.push_back(static_cast<char>(i * 7));
  }
}

}  // namespace
}  // namespace khtrace
