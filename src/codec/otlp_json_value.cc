// SPDX-License-Identifier: Apache-2.0
#include "codec/otlp_json_value.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "wire/protobuf.h"

namespace khtrace::codec {
namespace {

using model::AttrType;
using model::AttrValue;
using Element = JsonValueReader::Element;

// The whole text as a number.
template <typename Number>
bool ParseNumber(std::string_view text, Number* out) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *out);
  return result.ec == std::errc() && result.ptr == end;
}

// An integer from an integer, a string of digits, or a float without a
// fraction (some writers have no integers).
template <typename Integer>
bool ReadInteger(Element json, Integer* out) {
  if (!json.get(*out)) return true;
  std::string_view text;
  if (!json.get(text)) return ParseNumber(text, out);
  double real;
  if (json.type() != simdjson::dom::element_type::DOUBLE || json.get(real)) {
    return false;
  }
  // 2^63 and 2^64: the first doubles beyond.
  const double beyond = std::is_signed_v<Integer> ? 0x1p63 : 0x1p64;
  const double least = std::is_signed_v<Integer> ? -0x1p63 : 0;
  if (!(real >= least && real < beyond) || std::trunc(real) != real) {
    return false;
  }
  *out = static_cast<Integer>(real);
  return true;
}

bool ReadDouble(Element json, double* out) {
  if (!json.get(*out)) return true;
  std::string_view text;
  if (json.get(text)) return false;
  if (text == "NaN") {
    *out = std::numeric_limits<double>::quiet_NaN();
  } else if (text == "Infinity") {
    *out = std::numeric_limits<double>::infinity();
  } else if (text == "-Infinity") {
    *out = -std::numeric_limits<double>::infinity();
  } else {
    return ParseNumber(text, out);
  }
  return true;
}

template <size_t kBytes>
bool ReadHex(std::string_view hex, std::array<std::byte, kBytes>* out) {
  return hex.size() == 2 * kBytes && HexDecode(hex, *out);
}

}  // namespace

bool JsonValueReader::Fail(std::string_view why) {
  if (error_.message.empty()) {
    error_.message = fmt::format("cannot decode OTLP/JSON: {}", why);
  }
  return false;
}

std::string_view JsonValueReader::CamelCase(
    std::string_view key, std::array<char, kMaxKeyBytes>* buffer) {
  if (key.size() > kMaxKeyBytes || key.find('_') == std::string_view::npos) {
    return key;
  }
  size_t size = 0;
  bool raise = false;
  for (const char c : key) {
    if (c == '_') {
      raise = true;
      continue;
    }
    const bool lower = c >= 'a' && c <= 'z';
    (*buffer)[size++] = raise && lower ? static_cast<char>(c - 'a' + 'A') : c;
    raise = false;
  }
  return {buffer->data(), size};
}

bool JsonValueReader::String(Element json, std::string_view key,
                             std::string_view* out) {
  if (!json.get(*out)) return true;
  return Fail(fmt::format("{} must be a string", key));
}

bool JsonValueReader::Bool(Element json, std::string_view key, bool* out) {
  if (!json.get(*out)) return true;
  return Fail(fmt::format("{} must be true or false", key));
}

bool JsonValueReader::Int64(Element json, std::string_view key, int64_t* out) {
  if (ReadInteger(json, out)) return true;
  return Fail(fmt::format("{} must be a signed 64-bit integer", key));
}

bool JsonValueReader::Uint64(Element json, std::string_view key,
                             uint64_t* out) {
  if (ReadInteger(json, out)) return true;
  return Fail(fmt::format("{} must be an unsigned 64-bit integer", key));
}

bool JsonValueReader::Uint32(Element json, std::string_view key,
                             uint32_t* out) {
  uint64_t value;
  if (ReadInteger(json, &value) && value <= UINT32_MAX) {
    *out = static_cast<uint32_t>(value);
    return true;
  }
  return Fail(fmt::format("{} must be an unsigned 32-bit integer", key));
}

bool JsonValueReader::Double(Element json, std::string_view key, double* out) {
  if (ReadDouble(json, out)) return true;
  return Fail(fmt::format("{} must be a number", key));
}

bool JsonValueReader::Base64(Element json, std::string_view key,
                             std::string* out) {
  std::string_view text;
  if (!json.get(text)) {
    if (auto bytes = Base64Decode(text)) {
      *out = std::move(*bytes);
      return true;
    }
  }
  return Fail(fmt::format("{} must be a string in base64", key));
}

bool JsonValueReader::Enum(Element json, std::string_view key,
                           std::span<const EnumName> names, uint8_t* out) {
  std::string_view text;
  if (!json.get(text)) {
    for (const EnumName& row : names) {
      if (row.name == text) {
        *out = row.value;
        return true;
      }
    }
  }
  int64_t value;
  if (!ReadInteger(json, &value)) {
    return Fail(fmt::format("{} must be a number or a name of its enum", key));
  }
  *out = value >= 0 && value <= UINT8_MAX ? static_cast<uint8_t>(value) : 0;
  return true;
}

bool JsonValueReader::Id(Element json, std::string_view key,
                         model::TraceId* out) {
  *out = {};
  std::string_view hex;
  if (!String(json, key, &hex)) return false;
  if (hex.empty()) return true;
  std::array<std::byte, 16> bytes;
  if (!ReadHex(hex, &bytes)) {
    return Fail(fmt::format("{} has {} characters, must be 32 hex digits", key,
                            hex.size()));
  }
  *out = model::TraceId::FromBytes(reinterpret_cast<const char*>(bytes.data()));
  return true;
}

bool JsonValueReader::Id(Element json, std::string_view key,
                         model::SpanId* out) {
  *out = {};
  std::string_view hex;
  if (!String(json, key, &hex)) return false;
  if (hex.empty()) return true;
  std::array<std::byte, 8> bytes;
  if (!ReadHex(hex, &bytes)) {
    return Fail(fmt::format("{} has {} characters, must be 16 hex digits", key,
                            hex.size()));
  }
  *out = model::SpanId::FromBytes(reinterpret_cast<const char*>(bytes.data()));
  return true;
}

bool JsonValueReader::AnyValue(Element json, AttrValue* out,
                               std::string* storage) {
  *out = {};
  return Fields(json, "value", [&](std::string_view key, Element value) {
    if (key == "stringValue") {
      std::string_view text;
      if (!String(value, key, &text)) return false;
      *out = AttrValue::String(text);
    } else if (key == "intValue") {
      int64_t number;
      double beyond;
      // The JavaScript SDK writes every whole number as an integer, also
      // those that 64 bits do not hold, such as -1e+300.
      if (value.type() == simdjson::dom::element_type::DOUBLE &&
          value.get(beyond) == simdjson::SUCCESS &&
          std::abs(beyond) >= 0x1p63) {
        *out = AttrValue::Double(beyond);
        return true;
      }
      if (!Int64(value, key, &number)) return false;
      *out = AttrValue::Int(number);
    } else if (key == "boolValue") {
      bool truth;
      if (!Bool(value, key, &truth)) return false;
      *out = AttrValue::Bool(truth);
    } else if (key == "doubleValue") {
      double number;
      if (!Double(value, key, &number)) return false;
      *out = AttrValue::Double(number);
    } else if (key == "bytesValue") {
      if (!Base64(value, key, storage)) return false;
      *out = AttrValue::Bytes(*storage);
    } else if (key == "arrayValue") {
      if (!NestedValue(value, AttrType::kArray, storage)) return false;
      *out = {AttrType::kArray, 0, *storage};
    } else if (key == "kvlistValue") {
      if (!NestedValue(value, AttrType::kKvList, storage)) return false;
      *out = {AttrType::kKvList, 0, *storage};
    }
    return true;
  });
}

bool JsonValueReader::KeyValue(Element json, std::string_view* key,
                               AttrValue* value, std::string* storage) {
  *key = {};
  *value = {};
  return Fields(json, "attribute", [&](std::string_view name, Element member) {
    if (name == "key") return String(member, name, key);
    if (name == "value") return AnyValue(member, value, storage);
    return true;
  });
}

// Recurses as deep as the document nests, which the parser limits.
bool JsonValueReader::NestedValue(Element json, AttrType type,
                                  std::string* out) {
  out->clear();
  wire::ProtoWriter writer(*out);
  return Fields(json, "value", [&](std::string_view name, Element values) {
    if (name != "values") return true;
    return Items(values, name, [&](Element item) {
      std::string_view key;
      AttrValue value;
      std::string storage;
      const bool fine = type == AttrType::kArray
                            ? AnyValue(item, &value, &storage)
                            : KeyValue(item, &key, &value, &storage);
      std::string any;
      model::AppendAnyValue(value, &any);
      if (type == AttrType::kArray) {
        writer.Bytes(1, any);
      } else {
        const size_t begin = writer.Begin(1);
        writer.Bytes(1, key);
        writer.Bytes(2, any);
        writer.End(begin);
      }
      return fine;
    });
  });
}

}  // namespace khtrace::codec
