// SPDX-License-Identifier: Apache-2.0
#include "wire/protobuf.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace khtrace::wire {
namespace {

constexpr uint64_t kVarints[] = {
    0, 1, 127, 128, 16383, 16384, UINT32_MAX, 1ull << 63, UINT64_MAX};

// Walks a whole message; true if it is well formed.
bool Walk(std::string_view bytes) {
  ProtoReader r(bytes);
  while (r.Next()) r.Skip();
  return r.ok();
}

TEST(ProtoReader, ReadsWhatTheWriterWrote) {
  std::string out;
  ProtoWriter w(out);
  for (const uint64_t value : kVarints) w.Varint(1, value);
  w.Fixed64(2, 0x0123456789abcdef);
  w.Fixed32(3, 0xdeadbeef);
  w.Double(4, -1.5);
  w.Bytes(536870911, "the greatest field number");

  ProtoReader r(out);
  for (const uint64_t value : kVarints) {
    ASSERT_TRUE(r.Next());
    ASSERT_EQ(r.tag(), ProtoReader::Tag(1, WireType::kVarint));
    EXPECT_EQ(r.Varint(), value);
  }
  ASSERT_TRUE(r.Next());
  EXPECT_EQ(r.Fixed64(), 0x0123456789abcdefu);
  ASSERT_TRUE(r.Next());
  EXPECT_EQ(r.Fixed32(), 0xdeadbeefu);
  ASSERT_TRUE(r.Next());
  EXPECT_EQ(std::bit_cast<double>(r.Fixed64()), -1.5);
  ASSERT_TRUE(r.Next());
  EXPECT_EQ(r.field(), 536870911u);
  EXPECT_EQ(r.Bytes(), "the greatest field number");
  EXPECT_FALSE(r.Next());
  EXPECT_TRUE(r.ok());
}

TEST(ProtoReader, IsAtItsEndWithNothingToRead) {
  ProtoReader r("");
  EXPECT_FALSE(r.Next());
  EXPECT_TRUE(r.ok());
}

TEST(ProtoReader, RefusesEveryTruncationInsideARecord) {
  std::string out;
  ProtoWriter w(out);
  w.Bytes(1, "abc");
  const size_t first_end = out.size();
  w.Fixed64(2, 1);
  const size_t second_end = out.size();
  w.Varint(200, 1'000'000);
  for (size_t size = 0; size <= out.size(); ++size) {
    const bool whole = size == 0 || size == first_end || size == second_end ||
                       size == out.size();
    EXPECT_EQ(Walk(std::string_view(out).substr(0, size)), whole) << size;
  }
}

TEST(ProtoReader, RefusesMalformedTagsAndLengths) {
  EXPECT_FALSE(Walk(std::string("\x00\x01", 2)));  // field number 0
  EXPECT_FALSE(Walk("\x0b\x0c"));                  // groups
  EXPECT_FALSE(Walk("\x0f\x01"));                  // wire type 7
  EXPECT_FALSE(Walk("\xff\xff\xff\xff\xff\x01"));  // tag over 32 bits
  // A length of 2^64 - 1, which would wrap round as a signed distance.
  EXPECT_FALSE(Walk("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
  EXPECT_FALSE(Walk(std::string("\x08") + std::string(10, '\x80') + "\x01"));
}

TEST(ProtoReader, GivesZeroesAfterMalformedInput) {
  ProtoReader r(
      "\x0a\x05"
      "ab");
  ASSERT_TRUE(r.Next());
  EXPECT_EQ(r.Bytes(), "");
  EXPECT_FALSE(r.ok());
  EXPECT_EQ(r.Varint(), 0u);
  EXPECT_EQ(r.Fixed64(), 0u);
  EXPECT_EQ(r.Fixed32(), 0u);
  EXPECT_FALSE(r.Next());
}

TEST(ProtoWriter, MovesContentUpWhenItsLengthNeedsMoreBytes) {
  for (const size_t size : {0u, 1u, 127u, 128u, 16383u, 16384u, 3'000'000u}) {
    const std::string content(size, 'c');
    std::string out;
    ProtoWriter w(out);
    const size_t outer = w.Begin(7);
    const size_t inner = w.Begin(1);
    out += content;
    w.End(inner);
    w.End(outer);

    ProtoReader r(out);
    ASSERT_TRUE(r.Next());
    EXPECT_EQ(r.field(), 7u);
    ProtoReader nested(r.Bytes());
    EXPECT_FALSE(r.Next());
    EXPECT_TRUE(r.ok());
    ASSERT_TRUE(nested.Next());
    EXPECT_TRUE(nested.Bytes() == content);
    EXPECT_FALSE(nested.Next());
    EXPECT_TRUE(nested.ok());
  }
}

}  // namespace
}  // namespace khtrace::wire
