// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "codec/otlp_batch.h"
#include "wire/protobuf.h"

// OTLP's KeyValue := string key 1, AnyValue value 2, in any form that is
// well-formed protobuf. The usual form has a faster way:
// OtlpBatch::TakePlainAttributes().

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

}  // namespace khtrace::codec
