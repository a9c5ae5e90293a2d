// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_attributes.h"

#include <algorithm>

#include "base/hash.h"
#include "storage/columnar/encoding_bytes.h"

namespace khtrace::storage::columnar {
namespace {

using model::Attr;
using model::AttrType;
using model::AttrValue;

// A mixed column's text: key text · type u8 · payload.
std::string MixedText(std::string_view key, const AttrValue& value) {
  std::string text;
  ByteWriter writer(text);
  writer.Text(key);
  writer.U8(TypeOf(value.type));
  if (IsTextType(TypeOf(value.type))) {
    text.append(value.bytes);
  } else if (value.type == AttrType::kInt) {
    writer.U64(BiasInt(value.bits));
  } else if (value.type != AttrType::kEmpty) {
    writer.U64(value.bits);
  }
  return text;
}

}  // namespace

void AttributeTable::CountKeys(const model::SpanBatch& batch,
                               std::span<const model::AttrRange> owners) {
  std::vector<uint64_t> counts(batch.key_count() * 8);
  for (const model::AttrRange range : owners) {
    for (const Attr& attr : batch.Attributes(range)) {
      ++counts[attr.key * 8 + static_cast<size_t>(attr.type)];
    }
  }
  std::vector<Key*>& keys = keys_of_.emplace_back(counts.size(), nullptr);
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    keys[i] = &keys_[{batch.Key(static_cast<model::KeyCode>(i / 8)),
                      static_cast<ColumnType>(i % 8)}];
    keys[i]->count += counts[i];
  }
}

void AttributeTable::MakeColumns() {
  uint64_t least = 0;
  if (keys_.size() > kMaxColumns) {
    std::vector<uint64_t> counts;
    for (const auto& [name, key] : keys_) counts.push_back(key.count);
    std::nth_element(counts.begin(), counts.begin() + kMaxColumns, counts.end(),
                     std::greater<>());
    least = counts[kMaxColumns];
  }
  // Of those as frequent as the first that found no place, none gets one.
  for (auto& [name, key] : keys_) {
    if (key.count <= least) continue;
    key.position = static_cast<uint32_t>(columns_.size());
    columns_.push_back(std::make_unique<ColumnBuilder>(
        table_, std::string(name.first), name.second));
  }
  if (columns_.size() < keys_.size()) AddMixedColumn();
  for (const std::vector<Key*>& keys : keys_of_) {
    std::vector<uint32_t>& columns = column_of_.emplace_back();
    columns.reserve(keys.size());
    for (const Key* key : keys) {
      columns.push_back(key == nullptr ? kNoColumn : key->position);
    }
  }
  keys_of_ = {};
}

void AttributeTable::AddMixedColumn() {
  mixed_ = static_cast<uint32_t>(columns_.size());
  columns_.push_back(std::make_unique<ColumnBuilder>(table_, "", kMixedType));
  for (auto& [name, key] : keys_) {
    if (key.position == kNoColumn) key.position = mixed_;
  }
}

void AttributeTable::Intern(uint32_t number, const model::SpanBatch& batch,
                            model::AttrRange range, std::vector<Memo>& memo,
                            std::vector<uint32_t>& codes) {
  for (uint32_t i = range.begin; i < range.end; ++i) {
    const Attr& attr = batch.data().attributes[i];
    if (!IsTextType(TypeOf(attr.type))) continue;
    const uint32_t position = ColumnOf(number, attr);
    if (position == mixed_) continue;
    const auto string = static_cast<model::StringCode>(attr.payload);
    const std::string_view text = batch.String(string);
    TextInterner& interner = columns_[position]->interner();
    interner.CountValue(text);
    Memo& known = memo[string];
    const uint32_t address =
        position * (kTables + 1) + static_cast<uint32_t>(table_) + 1;
    if (known.column != address) known = {address, interner.Intern(text)};
    codes[i] = known.code;
  }
}

uint32_t AttributeTable::ShapeNumber() {
  // Neighbours often look alike.
  if (!shapes_.empty() && shapes_[last_shape_] == row_) return last_shape_;
  uint64_t hash = row_.size();
  for (const uint32_t position : row_) {
    hash = (hash ^ position) * 0x9e3779b97f4a7c15ull;
    hash ^= hash >> 29;
  }
  for (;; ++hash) {
    const auto [it, inserted] =
        shape_numbers_.try_emplace(hash, static_cast<uint32_t>(shapes_.size()));
    if (inserted) shapes_.push_back(row_);
    last_shape_ = it->second;
    if (inserted || shapes_[last_shape_] == row_) return last_shape_;
  }
}

uint32_t AttributeTable::Add(uint32_t number, const model::SpanBatch& batch,
                             model::AttrRange range,
                             const std::vector<uint32_t>& codes) {
  row_.clear();
  for (uint32_t i = range.begin; i < range.end; ++i) {
    const Attr& attr = batch.data().attributes[i];
    const uint32_t position = ColumnOf(number, attr);
    row_.push_back(position);
    ColumnBuilder& column = *columns_[position];
    if (position == mixed_) {
      column.AddOwnedText(MixedText(batch.Key(attr.key), batch.Value(attr)));
    } else if (IsTextType(TypeOf(attr.type))) {
      column.AddText(batch, static_cast<model::StringCode>(attr.payload),
                     codes[i]);
    } else if (attr.type == AttrType::kInt) {
      column.AddInt(BiasInt(attr.payload));
    } else if (attr.type == AttrType::kEmpty) {
      column.AddEmpty();
    } else {
      column.AddInt(attr.payload);
    }
  }
  return ShapeNumber();
}

}  // namespace khtrace::storage::columnar
