// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

// The protobuf wire format, read and written by hand: no objects, no throws,
// no allocation on the read side.
// Source: https://protobuf.dev/programming-guides/encoding/
//
//   record := tag payload
//   tag    := varint(field_number << 3 | wire_type)
//   varint := 1..10 bytes, 7 bits each, least significant first
//   fixed  := 4 or 8 bytes, little endian
//   len    := varint byte count, then the bytes

namespace khtrace::wire {

static_assert(std::endian::native == std::endian::little);

enum class WireType : uint8_t {
  kVarint = 0,
  kFixed64 = 1,
  kLen = 2,
  kStartGroup = 3,
  kEndGroup = 4,
  kFixed32 = 5,
};

// Walks the records of one message. Borrows the bytes. External
// synchronisation. After malformed input ok() is false, Next() returns false
// and every value is zero or empty; a reader never reads past its bytes.
//
//   ProtoReader r(bytes);
//   while (r.Next()) switch (r.tag()) {
//     case Tag(1, WireType::kLen): name = r.Bytes(); break;
//     default: r.Skip();
//   }
//   if (!r.ok()) …
class ProtoReader {
 public:
  explicit ProtoReader(std::string_view bytes)
      : p_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // The value that tag() has for this field and type.
  static constexpr uint32_t Tag(uint32_t field, WireType type) {
    return field << 3 | static_cast<uint32_t>(type);
  }

  // Moves to the next record. False at the end and on malformed input.
  bool Next() {
    if (p_ == end_) return false;
    const uint64_t tag = ReadVarint();
    if (tag > UINT32_MAX || tag >> 3 == 0) return Fail();
    tag_ = static_cast<uint32_t>(tag);
    return ok_;
  }

  uint32_t tag() const { return tag_; }
  uint32_t field() const { return tag_ >> 3; }
  WireType type() const { return static_cast<WireType>(tag_ & 7); }
  bool ok() const { return ok_; }

  // The current record's value. Call the one that fits type(), once.
  uint64_t Varint() { return ReadVarint(); }
  uint64_t Fixed64() { return ReadFixed<uint64_t>(); }
  uint32_t Fixed32() { return ReadFixed<uint32_t>(); }
  std::string_view Bytes() {
    const uint64_t size = ReadVarint();
    if (size > static_cast<uint64_t>(end_ - p_)) {
      Fail();
      return {};
    }
    const std::string_view bytes(p_, size);
    p_ += size;
    return bytes;
  }
  // Steps over the current record. Groups are malformed: proto3 has none.
  void Skip() {
    switch (type()) {
      case WireType::kVarint:
        ReadVarint();
        return;
      case WireType::kFixed64:
        ReadFixed<uint64_t>();
        return;
      case WireType::kFixed32:
        ReadFixed<uint32_t>();
        return;
      case WireType::kLen:
        Bytes();
        return;
      default:
        Fail();
        return;
    }
  }

 private:
  bool Fail() {
    ok_ = false;
    p_ = end_;
    return false;
  }
  uint64_t ReadVarint() {
    if (p_ != end_ && static_cast<uint8_t>(*p_) < 0x80) [[likely]] {
      return static_cast<uint8_t>(*p_++);
    }
    const LongVarint read = ReadLongVarint(p_, end_);
    if (read.next == nullptr) {
      Fail();
      return 0;
    }
    p_ = read.next;
    return read.value;
  }
  struct LongVarint {
    uint64_t value;
    const char* next;  // behind it; nullptr if malformed
  };
  // Static, and its result in registers: a reader whose address nobody takes
  // lives in registers itself.
  static LongVarint ReadLongVarint(const char* p, const char* end) {
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (p == end) break;
      const uint8_t byte = static_cast<uint8_t>(*p++);
      value |= static_cast<uint64_t>(byte & 0x7f) << (shift & 63);
      if (byte < 0x80) return {value, p};
    }
    return {0, nullptr};
  }
  template <typename T>
  T ReadFixed() {
    if (end_ - p_ < static_cast<std::ptrdiff_t>(sizeof(T))) {
      Fail();
      return 0;
    }
    T value;
    std::memcpy(&value, p_, sizeof(T));
    p_ += sizeof(T);
    return value;
  }

  const char* p_;
  const char* end_;
  uint32_t tag_ = 0;
  bool ok_ = true;
};

// Appends records to a string that outlives it. Values equal to proto3's
// default are written as well: callers leave them out.
class ProtoWriter {
 public:
  explicit ProtoWriter(std::string& out) : out_(out) {}

  void RawVarint(uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<char>(value));
  }
  void Varint(uint32_t field, uint64_t value) {
    RawVarint(ProtoReader::Tag(field, WireType::kVarint));
    RawVarint(value);
  }
  void Fixed64(uint32_t field, uint64_t value) {
    RawVarint(ProtoReader::Tag(field, WireType::kFixed64));
    Raw(&value, sizeof value);
  }
  void Fixed32(uint32_t field, uint32_t value) {
    RawVarint(ProtoReader::Tag(field, WireType::kFixed32));
    Raw(&value, sizeof value);
  }
  void Double(uint32_t field, double value) {
    Fixed64(field, std::bit_cast<uint64_t>(value));
  }
  void Bytes(uint32_t field, std::string_view bytes) {
    RawVarint(ProtoReader::Tag(field, WireType::kLen));
    RawVarint(bytes.size());
    out_.append(bytes);
  }
  // Records that are encoded already.
  void Records(std::string_view records) { out_.append(records); }

  // A nested message whose size is not known yet: Begin(), write its fields,
  // End() with what Begin() returned. The length takes one byte at first and
  // the content moves up when it needs more.
  size_t Begin(uint32_t field) {
    RawVarint(ProtoReader::Tag(field, WireType::kLen));
    out_.push_back(0);
    return out_.size();
  }
  void End(size_t begin) {
    uint64_t size = out_.size() - begin;
    char length[10];
    size_t n = 0;
    while (size >= 0x80) {
      length[n++] = static_cast<char>(size | 0x80);
      size >>= 7;
    }
    length[n++] = static_cast<char>(size);
    out_[begin - 1] = length[0];
    if (n > 1) out_.insert(begin, length + 1, n - 1);
  }

 private:
  void Raw(const void* data, size_t size) {
    out_.append(static_cast<const char*>(data), size);
  }
  std::string& out_;
};

}  // namespace khtrace::wire
