// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "wire/protobuf.h"

namespace khtrace::model {

// The members of OTLP's AnyValue (opentelemetry-proto v1.11, common.proto).
// kEmpty is a value that is present and has no member set; it differs from an
// empty string. The numbers are written to disk: never reuse one.
enum class AttrType : uint8_t {
  kEmpty = 0,
  kString = 1,
  kBool = 2,
  kInt = 3,
  kDouble = 4,
  kArray = 5,
  kKvList = 6,
  kBytes = 7,
};

// One attribute value, borrowed from the batch (or buffer) it came from.
// `bytes` holds a string's UTF-8 text, kBytes' bytes, and for kArray and
// kKvList the OTLP protobuf encoding of the ArrayValue or KeyValueList
// message: nested values are rare, and their encoding is a fine tree already.
struct AttrValue {
  AttrType type = AttrType::kEmpty;
  uint64_t bits = 0;  // kBool: 0 or 1; kInt: two's complement; kDouble: IEEE
  std::string_view bytes;

  static AttrValue String(std::string_view text) {
    return {AttrType::kString, 0, text};
  }
  static AttrValue Bytes(std::string_view raw) {
    return {AttrType::kBytes, 0, raw};
  }
  static AttrValue Bool(bool value) { return {AttrType::kBool, value, {}}; }
  static AttrValue Int(int64_t value) {
    return {AttrType::kInt, static_cast<uint64_t>(value), {}};
  }
  static AttrValue Double(double value) {
    return {AttrType::kDouble, std::bit_cast<uint64_t>(value), {}};
  }
  bool AsBool() const { return bits != 0; }
  int64_t AsInt() const { return static_cast<int64_t>(bits); }
  double AsDouble() const { return std::bit_cast<double>(bits); }

  // Same type and same content; doubles by their bits (NaN equals itself).
  bool operator==(const AttrValue&) const = default;
};

// Reads one AnyValue message without going into nested ones. False if it is
// malformed. Of several members the last one counts, as in protobuf.
bool ParseAnyValue(std::string_view any_value, AttrValue* out);
// Writes the fields of an AnyValue message (without tag and length).
void AppendAnyValue(const AttrValue& value, std::string* out);

// The elements of a kArray or kKvList value, in order; `key` is empty for
// arrays. The callback returns false to stop early. False when malformed.
bool ForEachNested(
    const AttrValue& value,
    const std::function<bool(std::string_view key, const AttrValue&)>& visit);

// Whether every message inside is well formed and nests at most `max_depth`
// levels deep (an array of strings is one level).
bool ValidateNested(const AttrValue& value, int max_depth);

// The value as a person (and Jaeger's tag search) writes it: text as it is,
// "true", "42", a double's shortest form, bytes as base64, nested values as
// compact JSON.
std::string ToDisplayString(const AttrValue& value);

}  // namespace khtrace::model
