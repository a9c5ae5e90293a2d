// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_keys.h"

#include <algorithm>
#include <utility>

#include "storage/columnar/encoding_bytes.h"

namespace khtrace::storage::columnar {
namespace {

AttributeKeys::Keys* KeysOf(Table table, AttributeKeys* keys) {
  switch (table) {
    case Table::kSpan:
      return &keys->span;
    case Table::kEvent:
      return &keys->event;
    case Table::kLink:
      return &keys->link;
    case Table::kScope:
      return &keys->instrumentation;
    case Table::kResource:
      return &keys->resource;
    case Table::kTrace:
      break;
  }
  return nullptr;
}

// Each text of a mixed column begins with its key.
Status CollectMixed(const PartFile& file, uint32_t number, size_t group,
                    AttributeKeys::Keys* keys) {
  const Chunk& chunk = file.column(number).chunks[group];
  if (chunk.values == 0) return {};
  DecodedTexts decoded;
  RETURN_IF_ERROR(file.ReadTexts(number, group, 0, chunk.values, &decoded));
  for (const std::string_view text : decoded.texts) {
    ByteReader reader(text);
    const std::string_view key = reader.Text();
    if (!reader.ok()) {
      return file.Locate({Code::kDataLoss, "malformed mixed value"}, number,
                         group);
    }
    if (!keys->contains(key)) keys->emplace(key);
  }
  return {};
}

}  // namespace

Status CollectPartKeys(const PartFile& file, AttributeKeys* keys) {
  Status loss;
  const std::vector<Column>& columns = file.footer().columns;
  for (uint32_t i = 0; i < columns.size(); ++i) {
    const Column& column = columns[i];
    AttributeKeys::Keys* into = KeysOf(column.table, keys);
    if (!column.is_attribute() || into == nullptr) continue;
    if (column.type != kMixedType) {
      const bool used =
          std::any_of(column.chunks.begin(), column.chunks.end(),
                      [](const Chunk& chunk) { return chunk.values > 0; });
      if (used) into->emplace(column.key);
      continue;
    }
    for (size_t group = 0; group < column.chunks.size(); ++group) {
      Status read = CollectMixed(file, i, group, into);
      if (!read && loss) loss = std::move(read);
    }
  }
  return loss;
}

}  // namespace khtrace::storage::columnar
