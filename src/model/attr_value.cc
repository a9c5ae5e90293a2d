// SPDX-License-Identifier: Apache-2.0
#include "model/attr_value.h"

#include <fmt/format.h>

#include "base/text.h"
#include "wire/json_writer.h"

// AnyValue := oneof { string 1, bool 2, int64 3, double 4, ArrayValue 5,
//                     KeyValueList 6, bytes 7 }
// ArrayValue := repeated AnyValue 1
// KeyValueList := repeated KeyValue 1; KeyValue := string key 1, AnyValue 2

namespace khtrace::model {
namespace {

using wire::ProtoReader;
using wire::ProtoWriter;
using wire::WireType;

bool ParseKeyValue(std::string_view message, std::string_view* key,
                   AttrValue* value) {
  *key = {};
  *value = {};
  ProtoReader r(message);
  while (r.Next()) {
    switch (r.tag()) {
      case ProtoReader::Tag(1, WireType::kLen):
        *key = r.Bytes();
        break;
      case ProtoReader::Tag(2, WireType::kLen):
        if (!ParseAnyValue(r.Bytes(), value)) return false;
        break;
      default:
        r.Skip();
    }
  }
  return r.ok();
}

void WriteNested(const AttrValue& value, wire::JsonWriter* writer);

void WriteValue(const AttrValue& value, wire::JsonWriter* writer) {
  switch (value.type) {
    case AttrType::kEmpty:
      writer->Null();
      return;
    case AttrType::kString:
      writer->String(value.bytes);
      return;
    case AttrType::kBool:
      writer->Bool(value.AsBool());
      return;
    case AttrType::kInt:
      writer->Int(value.AsInt());
      return;
    case AttrType::kDouble:
      writer->Double(value.AsDouble());
      return;
    case AttrType::kBytes:
      writer->String(Base64Encode(value.bytes));
      return;
    case AttrType::kArray:
    case AttrType::kKvList:
      WriteNested(value, writer);
      return;
  }
}

void WriteNested(const AttrValue& value, wire::JsonWriter* writer) {
  const bool list = value.type == AttrType::kArray;
  list ? writer->BeginArray() : writer->BeginObject();
  ForEachNested(value, [&](std::string_view key, const AttrValue& element) {
    if (!list) writer->EscapedKey(key);
    WriteValue(element, writer);
    return true;
  });
  list ? writer->EndArray() : writer->EndObject();
}

}  // namespace

bool ParseAnyValue(std::string_view any_value, AttrValue* out) {
  *out = {};
  ProtoReader r(any_value);
  while (r.Next()) {
    switch (r.tag()) {
      case ProtoReader::Tag(1, WireType::kLen):
        *out = AttrValue::String(r.Bytes());
        break;
      case ProtoReader::Tag(2, WireType::kVarint):
        *out = AttrValue::Bool(r.Varint() != 0);
        break;
      case ProtoReader::Tag(3, WireType::kVarint):
        *out = AttrValue::Int(static_cast<int64_t>(r.Varint()));
        break;
      case ProtoReader::Tag(4, WireType::kFixed64):
        *out = {AttrType::kDouble, r.Fixed64(), {}};
        break;
      case ProtoReader::Tag(5, WireType::kLen):
        *out = {AttrType::kArray, 0, r.Bytes()};
        break;
      case ProtoReader::Tag(6, WireType::kLen):
        *out = {AttrType::kKvList, 0, r.Bytes()};
        break;
      case ProtoReader::Tag(7, WireType::kLen):
        *out = AttrValue::Bytes(r.Bytes());
        break;
      default:
        r.Skip();
    }
  }
  return r.ok();
}

void AppendAnyValue(const AttrValue& value, std::string* out) {
  ProtoWriter w(*out);
  switch (value.type) {
    case AttrType::kEmpty:
      return;
    case AttrType::kString:
      w.Bytes(1, value.bytes);
      return;
    case AttrType::kBool:
      w.Varint(2, value.bits);
      return;
    case AttrType::kInt:
      w.Varint(3, value.bits);
      return;
    case AttrType::kDouble:
      w.Fixed64(4, value.bits);
      return;
    case AttrType::kArray:
      w.Bytes(5, value.bytes);
      return;
    case AttrType::kKvList:
      w.Bytes(6, value.bytes);
      return;
    case AttrType::kBytes:
      w.Bytes(7, value.bytes);
      return;
  }
}

bool ForEachNested(
    const AttrValue& value,
    const std::function<bool(std::string_view key, const AttrValue&)>& visit) {
  ProtoReader r(value.bytes);
  while (r.Next()) {
    if (r.tag() != ProtoReader::Tag(1, WireType::kLen)) {
      r.Skip();
      continue;
    }
    std::string_view key;
    AttrValue element;
    const std::string_view message = r.Bytes();
    const bool sound = value.type == AttrType::kArray
                           ? ParseAnyValue(message, &element)
                           : ParseKeyValue(message, &key, &element);
    if (!sound) return false;
    if (!visit(key, element)) return true;
  }
  return r.ok();
}

bool ValidateNested(const AttrValue& value, int max_depth) {
  if (value.type != AttrType::kArray && value.type != AttrType::kKvList) {
    return true;
  }
  if (max_depth <= 0) return false;
  bool sound = true;
  const bool parsed =
      ForEachNested(value, [&](std::string_view, const AttrValue& element) {
        return sound = ValidateNested(element, max_depth - 1);
      });
  return parsed && sound;
}

std::string ToDisplayString(const AttrValue& value) {
  switch (value.type) {
    case AttrType::kEmpty:
      return "";
    case AttrType::kString:
      return std::string(value.bytes);
    case AttrType::kBool:
      return value.AsBool() ? "true" : "false";
    case AttrType::kInt:
      return fmt::format("{}", value.AsInt());
    case AttrType::kDouble:
      return fmt::format("{}", value.AsDouble());
    case AttrType::kBytes:
      return Base64Encode(value.bytes);
    case AttrType::kArray:
    case AttrType::kKvList:
      break;
  }
  std::string json;
  wire::JsonWriter writer(&json);
  WriteNested(value, &writer);
  return json;
}

}  // namespace khtrace::model
