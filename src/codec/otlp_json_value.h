// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <simdjson.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/attr_value.h"
#include "model/ids.h"

namespace khtrace::codec {

// Reads proto3 JSON values with the tolerance that OTLP receivers need:
// numbers in strings, enum names, base64 in either alphabet, snake_case keys,
// null for absent. Every reader returns false after Fail(), which keeps the
// first reason; `key` is what the message names. Confined to one thread.
class JsonValueReader {
 public:
  using Element = simdjson::dom::element;
  struct EnumName {
    std::string_view name;
    uint8_t value;
  };

  // kInvalidArgument.
  const Error& error() const { return error_; }
  bool Fail(std::string_view why);

  // Calls visit(key, value) -> bool for each member of an object, with the
  // key in lowerCamelCase, until it returns false. Skips nulls; a null in
  // place of the object is an empty one.
  template <typename Visit>
  bool Fields(Element json, std::string_view key, Visit visit);
  // Calls visit(element) -> bool for each element of an array.
  template <typename Visit>
  bool Items(Element json, std::string_view key, Visit visit);

  // The text lives as long as the parsed document.
  bool String(Element json, std::string_view key, std::string_view* out);
  bool Bool(Element json, std::string_view key, bool* out);
  bool Int64(Element json, std::string_view key, int64_t* out);
  bool Uint64(Element json, std::string_view key, uint64_t* out);
  bool Uint32(Element json, std::string_view key, uint32_t* out);
  bool Double(Element json, std::string_view key, double* out);
  bool Base64(Element json, std::string_view key, std::string* out);
  // A number that does not fit a byte gives 0; an unknown name fails.
  bool Enum(Element json, std::string_view key, std::span<const EnumName> names,
            uint8_t* out);
  // Hex of exactly the id's length, or "" for none.
  bool Id(Element json, std::string_view key, model::TraceId* out);
  bool Id(Element json, std::string_view key, model::SpanId* out);

  // An AnyValue. What `out` borrows lives in `storage` or in the document.
  bool AnyValue(Element json, model::AttrValue* out, std::string* storage);
  // A KeyValue, likewise.
  bool KeyValue(Element json, std::string_view* key, model::AttrValue* value,
                std::string* storage);

 private:
  static constexpr size_t kMaxKeyBytes = 48;

  // `key` itself, or its lowerCamelCase form written to `buffer`. Keys longer
  // than the buffer are none of ours and come back as they are.
  static std::string_view CamelCase(std::string_view key,
                                    std::array<char, kMaxKeyBytes>* buffer);
  bool NestedValue(Element json, model::AttrType type, std::string* out);

  Error error_{Code::kInvalidArgument, {}};
};

template <typename Visit>
bool JsonValueReader::Fields(Element json, std::string_view key, Visit visit) {
  if (json.is_null()) return true;
  simdjson::dom::object object;
  if (json.get(object)) return Fail(std::string(key) + " must be an object");
  std::array<char, kMaxKeyBytes> buffer;
  for (const simdjson::dom::key_value_pair field : object) {
    if (field.value.is_null()) continue;
    if (!visit(CamelCase(field.key, &buffer), field.value)) return false;
  }
  return true;
}

template <typename Visit>
bool JsonValueReader::Items(Element json, std::string_view key, Visit visit) {
  simdjson::dom::array array;
  if (json.get(array)) return Fail(std::string(key) + " must be an array");
  for (const Element item : array) {
    if (!visit(item)) return false;
  }
  return true;
}

}  // namespace khtrace::codec
