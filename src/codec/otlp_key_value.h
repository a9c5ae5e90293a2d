// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "codec/otlp_batch.h"
#include "wire/protobuf.h"

// OTLP's KeyValue := string key 1, AnyValue value 2. Nine tenths of what a
// request consists of, so the usual form has a way without a call.

namespace khtrace::codec {

// The tags of a length-delimited and of a varint field.
constexpr uint32_t Len(uint32_t field) {
  return wire::ProtoReader::Tag(field, wire::WireType::kLen);
}
constexpr uint32_t Var(uint32_t field) {
  return wire::ProtoReader::Tag(field, wire::WireType::kVarint);
}

// Adds a KeyValue to the list at hand, whatever its form.
NestedFault AddKeyValue(std::string_view bytes, OtlpBatch* batch);

// The byte at `i`, as the tag or the length that it is if it is below 0x80.
inline size_t ByteAt(std::string_view bytes, size_t i) {
  return static_cast<uint8_t>(bytes[i]);
}

// Splits a KeyValue of the form that every SDK writes and that is shorter
// than 128 bytes: the key, the value, nothing else. False for any other.
inline bool SplitKeyValue(std::string_view bytes, std::string_view* key,
                          std::string_view* value) {
  const size_t size = bytes.size();
  if (size < 4 || size >= 0x80 || ByteAt(bytes, 0) != Len(1)) return false;
  const size_t key_size = ByteAt(bytes, 1);
  const size_t value_at = key_size + 4;
  if (value_at > size || ByteAt(bytes, value_at - 2) != Len(2) ||
      ByteAt(bytes, value_at - 1) != size - value_at) {
    return false;
  }
  *key = bytes.substr(2, key_size);
  *value = bytes.substr(value_at);
  return true;
}

// Adds what SplitKeyValue() takes apart if its value is a string or an
// integer. False, and nothing done: AddKeyValue() must look at it.
[[gnu::always_inline]] inline bool AddPlainKeyValue(std::string_view bytes,
                                                    OtlpBatch* batch) {
  std::string_view key;
  std::string_view value;
  if (!SplitKeyValue(bytes, &key, &value) || value.size() < 2) return false;
  if (ByteAt(value, 0) == Len(1) && ByteAt(value, 1) == value.size() - 2) {
    batch->AddBorrowedString(key, value.substr(2));
    return true;
  }
  if (ByteAt(value, 0) != Var(3)) return false;
  uint64_t bits = 0;
  for (size_t i = 1; i < value.size() && i < 10; ++i) {
    bits |= (ByteAt(value, i) & 0x7f) << (7 * (i - 1));
    if (ByteAt(value, i) >= 0x80) continue;
    if (i + 1 != value.size()) return false;
    batch->AddBorrowedInt(key, bits);
    return true;
  }
  return false;
}

}  // namespace khtrace::codec
