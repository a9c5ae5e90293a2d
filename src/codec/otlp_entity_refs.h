// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace khtrace::codec {

// OTLP's EntityRef (common.proto): which attributes of a resource name an
// entity. The texts are borrowed.
struct EntityRef {
  std::string_view schema_url;
  std::string_view type;
  std::vector<std::string_view> id_keys;
  std::vector<std::string_view> description_keys;
};

// The records of field 3 of a Resource, as model::Resource keeps them. Empty
// if malformed.
std::optional<std::vector<EntityRef>> ParseEntityRefs(std::string_view records);
// Appends one such record; texts that are not UTF-8 are repaired.
void AppendEntityRef(const EntityRef& ref, std::string* records);
// Whether every text is UTF-8.
bool HasValidUtf8(const EntityRef& ref);

}  // namespace khtrace::codec
