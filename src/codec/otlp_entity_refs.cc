// SPDX-License-Identifier: Apache-2.0
#include "codec/otlp_entity_refs.h"

#include <algorithm>

#include "base/text.h"
#include "wire/protobuf.h"

// Resource.entity_refs is field 3. EntityRef := schema_url 1, type 2,
// repeated id_keys 3, repeated description_keys 4: all strings.

namespace khtrace::codec {
namespace {

using wire::ProtoReader;
using wire::ProtoWriter;
using wire::WireType;

constexpr uint32_t kEntityRefs = 3;

bool ParseEntityRef(std::string_view message, EntityRef* out) {
  ProtoReader r(message);
  while (r.Next()) {
    switch (r.tag()) {
      case ProtoReader::Tag(1, WireType::kLen):
        out->schema_url = r.Bytes();
        break;
      case ProtoReader::Tag(2, WireType::kLen):
        out->type = r.Bytes();
        break;
      case ProtoReader::Tag(3, WireType::kLen):
        out->id_keys.push_back(r.Bytes());
        break;
      case ProtoReader::Tag(4, WireType::kLen):
        out->description_keys.push_back(r.Bytes());
        break;
      default:
        r.Skip();
    }
  }
  return r.ok();
}

bool AllValidUtf8(const std::vector<std::string_view>& texts) {
  return std::ranges::all_of(
      texts, [](std::string_view text) { return khtrace::IsValidUtf8(text); });
}

}  // namespace

std::optional<std::vector<EntityRef>> ParseEntityRefs(
    std::string_view records) {
  std::vector<EntityRef> refs;
  ProtoReader r(records);
  while (r.Next()) {
    if (r.tag() != ProtoReader::Tag(kEntityRefs, WireType::kLen)) {
      r.Skip();
      continue;
    }
    if (!ParseEntityRef(r.Bytes(), &refs.emplace_back())) return std::nullopt;
  }
  if (!r.ok()) return std::nullopt;
  return refs;
}

void AppendEntityRef(const EntityRef& ref, std::string* records) {
  ProtoWriter w(*records);
  const size_t begin = w.Begin(kEntityRefs);
  if (!ref.schema_url.empty()) w.Bytes(1, SanitizeUtf8(ref.schema_url));
  if (!ref.type.empty()) w.Bytes(2, SanitizeUtf8(ref.type));
  for (const std::string_view key : ref.id_keys) w.Bytes(3, SanitizeUtf8(key));
  for (const std::string_view key : ref.description_keys) {
    w.Bytes(4, SanitizeUtf8(key));
  }
  w.End(begin);
}

bool HasValidUtf8(const EntityRef& ref) {
  return khtrace::IsValidUtf8(ref.schema_url) &&
         khtrace::IsValidUtf8(ref.type) && AllValidUtf8(ref.id_keys) &&
         AllValidUtf8(ref.description_keys);
}

}  // namespace khtrace::codec
