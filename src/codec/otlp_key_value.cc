// SPDX-License-Identifier: Apache-2.0
#include "codec/otlp_key_value.h"

namespace khtrace::codec {
namespace {

// Like model::ParseAnyValue, but a repeated value adds to the one before, as
// a repeated message does.
bool MergeAnyValue(std::string_view bytes, model::AttrValue* out) {
  model::AttrValue value;
  if (!model::ParseAnyValue(bytes, &value)) return false;
  if (value.type != model::AttrType::kEmpty) *out = value;
  return true;
}

}  // namespace

NestedFault AddKeyValue(std::string_view bytes, OtlpBatch* batch) {
  std::string_view key;
  model::AttrValue value;
  wire::ProtoReader r(bytes);
  while (r.Next()) {
    switch (r.tag()) {
      case Len(1):
        key = r.Bytes();
        break;
      case Len(2):
        if (!MergeAnyValue(r.Bytes(), &value)) return NestedFault::kMalformed;
        break;
      default:
        r.Skip();
    }
  }
  if (!r.ok()) return NestedFault::kMalformed;
  return batch->AddBorrowedAttribute(key, value);
}

}  // namespace khtrace::codec
