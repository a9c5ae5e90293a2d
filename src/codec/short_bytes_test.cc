// SPDX-License-Identifier: Apache-2.0
#include "codec/short_bytes.h"

#include <gtest/gtest.h>

#include <array>

namespace khtrace::codec {
namespace {

using Bytes = std::array<char, kShortBytes>;

Bytes Filled(char with) {
  Bytes bytes;
  bytes.fill(with);
  return bytes;
}

TEST(ShortBytes, SeeADifferenceWithinTheSizeAndNoneBehindIt) {
  const Bytes a = Filled('k');
  for (size_t at = 0; at < kShortBytes; ++at) {
    Bytes b = a;
    b[at] = 'x';
    for (size_t size = 0; size <= kShortBytes; ++size) {
      const bool same = size <= at;
      EXPECT_EQ(SameShortBytes(a.data(), b.data(), size), same) << at;
      EXPECT_EQ(scalar::SameShortBytes(a.data(), b.data(), size), same) << at;
    }
  }
}

TEST(ShortBytes, FindAByteThatIsNotAsciiWithinTheSizeAndNoneBehindIt) {
  for (size_t at = 0; at < kShortBytes; ++at) {
    for (const char other : {'\x80', '\xff'}) {
      Bytes bytes = Filled('\x7f');
      bytes[at] = other;
      for (size_t size = 0; size <= kShortBytes; ++size) {
        EXPECT_EQ(IsShortAscii(bytes.data(), size), size <= at) << at;
        EXPECT_EQ(scalar::IsShortAscii(bytes.data(), size), size <= at) << at;
      }
    }
  }
}

}  // namespace
}  // namespace khtrace::codec
