// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_attributes.h"

#include <algorithm>

#include "base/hash.h"
#include "storage/columnar/encoding_bytes.h"

namespace khtrace::storage::columnar {
namespace {

using model::Attr;
using model::AttrRange;
using model::AttrType;
using model::AttrValue;
using model::SpanBatch;

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

uint64_t HashList(std::span<const uint32_t> list) {
  uint64_t hash = list.size();
  for (const uint32_t number : list) {
    hash = (hash ^ number) * 0x9e3779b97f4a7c15ull;
    hash ^= hash >> 29;
  }
  return hash;
}

}  // namespace

uint32_t AttributeTable::KeyNumber(std::string_view text, ColumnType type) {
  const auto [it, inserted] = key_numbers_.try_emplace(
      {text, type}, static_cast<uint32_t>(keys_.size()));
  if (inserted) keys_.push_back({text, type});
  return it->second;
}

uint32_t AttributeTable::FindShape(const SpanBatch& batch, AttrRange range) {
  Shape shape;
  for (const Attr& attr : batch.Attributes(range)) {
    uint32_t& number =
        batch_keys_[attr.key * 8 + static_cast<size_t>(attr.type)];
    if (number == 0) {
      number = KeyNumber(batch.Key(attr.key), TypeOf(attr.type)) + 1;
    }
    shape.keys.push_back(number - 1);
  }
  // A shape whose place is taken has the next one.
  for (uint64_t hash = HashList(shape.keys);; ++hash) {
    const auto [it, inserted] =
        by_hash_.try_emplace(hash, static_cast<uint32_t>(found_.size()));
    if (!inserted && found_[it->second].keys != shape.keys) continue;
    if (inserted) found_.push_back(std::move(shape));
    return it->second;
  }
}

void AttributeTable::GrowSlots() {
  slots_.assign(slots_.size() * 4, 0);
  for (size_t i = 0; i < known_.size(); ++i) {
    size_t slot = known_[i].hash & (slots_.size() - 1);
    while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = static_cast<uint32_t>(i + 1);
  }
}

void AttributeTable::FindShapes(const SpanBatch& batch,
                                std::span<const AttrRange> owners,
                                std::vector<uint32_t>* shapes) {
  batch_keys_.assign(batch.key_count() * 8, 0);
  known_.clear();
  known_lists_.clear();
  slots_.assign(64, 0);
  const auto is_list = [&](const Known& known) {
    return known.size == list_.size() &&
           std::equal(list_.begin(), list_.end(),
                      known_lists_.begin() + known.begin);
  };
  shapes->reserve(shapes->size() + owners.size());
  for (const AttrRange range : owners) {
    list_.clear();
    for (const Attr& attr : batch.Attributes(range)) {
      list_.push_back(attr.key * 8 + static_cast<uint32_t>(attr.type));
    }
    // Neighbours often look alike.
    if (known_.empty() || !is_list(known_[last_known_])) {
      const uint64_t hash = HashList(list_);
      size_t slot = hash & (slots_.size() - 1);
      while (slots_[slot] != 0 && !is_list(known_[slots_[slot] - 1])) {
        slot = (slot + 1) & (slots_.size() - 1);
      }
      if (slots_[slot] == 0) {
        known_.push_back({hash, static_cast<uint32_t>(known_lists_.size()),
                          static_cast<uint32_t>(list_.size()),
                          FindShape(batch, range), 0});
        known_lists_.insert(known_lists_.end(), list_.begin(), list_.end());
        slots_[slot] = static_cast<uint32_t>(known_.size());
      }
      last_known_ = slots_[slot] - 1;
      if (known_.size() * 2 > slots_.size()) GrowSlots();
    }
    ++known_[last_known_].count;
    shapes->push_back(known_[last_known_].shape);
  }
  for (const Known& known : known_) {
    for (const uint32_t key : found_[known.shape].keys) {
      keys_[key].count += known.count;
    }
  }
}

void AttributeTable::MakeColumns() {
  uint64_t least = 0;
  if (keys_.size() > kMaxColumns) {
    std::vector<uint64_t> counts;
    for (const Key& key : keys_) counts.push_back(key.count);
    std::nth_element(counts.begin(), counts.begin() + kMaxColumns, counts.end(),
                     std::greater<>());
    least = counts[kMaxColumns];
  }
  // Of those as frequent as the first that found no place, none gets one.
  for (const auto& [name, number] : key_numbers_) {
    Key& key = keys_[number];
    if (key.count <= least) continue;
    key.column = static_cast<uint32_t>(columns_.size());
    columns_.push_back(std::make_unique<ColumnBuilder>(
        table_, std::string(key.text), key.type));
  }
  if (columns_.size() < keys_.size()) AddMixedColumn();
  boost::unordered_flat_map<std::string, uint32_t> seen;
  for (Shape& shape : found_) {
    MakeEntries(&shape);
    // Keys that share the mixed column make different lists equal.
    std::vector<uint32_t> positions;
    for (const Entry& entry : shape.entries) positions.push_back(entry.column);
    const auto [it, inserted] = seen.try_emplace(
        std::string(reinterpret_cast<const char*>(positions.data()),
                    positions.size() * sizeof(uint32_t)),
        static_cast<uint32_t>(shapes_.size()));
    if (inserted) shapes_.push_back(std::move(positions));
    numbers_.push_back(it->second);
  }
  next_.resize(columns_.size());
}

void AttributeTable::AddMixedColumn() {
  mixed_ = static_cast<uint32_t>(columns_.size());
  columns_.push_back(std::make_unique<ColumnBuilder>(table_, "", kMixedType));
  for (Key& key : keys_) {
    if (key.column == kNoColumn) key.column = mixed_;
  }
}

void AttributeTable::MakeEntries(Shape* shape) {
  for (const uint32_t number : shape->keys) {
    const Key& key = keys_[number];
    Entry entry;
    entry.column = key.column;
    entry.text = IsTextType(key.type) && key.column != mixed_;
    if (key.type == TypeOf(AttrType::kInt)) entry.flip = BiasInt(0);
    if (key.column == mixed_ || key.type == TypeOf(AttrType::kEmpty)) {
      shape->plain = false;
    }
    shape->entries.push_back(entry);
  }
}

void AttributeTable::Intern(const SpanBatch& batch,
                            std::span<const AttrRange> owners,
                            std::span<const uint32_t> shapes,
                            std::vector<TextMemo>& memo,
                            std::vector<uint32_t>& codes) {
  for (size_t i = 0; i < owners.size(); ++i) {
    const Attr* attr = batch.data().attributes.data() + owners[i].begin;
    uint32_t* code = codes.data() + owners[i].begin;
    for (const Entry& entry : found_[shapes[i]].entries) {
      if (entry.text) {
        *code = columns_[entry.column]->Intern(
            batch, static_cast<model::StringCode>(attr->payload),
            TextMemo::Address(table_, entry.column), memo);
      }
      ++attr;
      ++code;
    }
  }
}

void AttributeTable::FinishInterning() {
  for (Shape& shape : found_) {
    for (Entry& entry : shape.entries) {
      if (!entry.text) continue;
      entry.coded = !columns_[entry.column]->interner().gave_up();
      entry.reference = entry.coded ? 0 : UINT64_MAX;
    }
  }
}

void AttributeTable::Reserve(std::span<const RowRef> rows,
                             std::span<const Owners> owners) {
  std::vector<uint32_t> rows_of(found_.size());
  for (const RowRef& ref : rows) {
    ++rows_of[owners[ref.batch].shapes[ref.row]];
  }
  std::vector<size_t> values(columns_.size());
  for (size_t s = 0; s < found_.size(); ++s) {
    if (rows_of[s] == 0) continue;
    for (const Entry& entry : found_[s].entries) {
      values[entry.column] += rows_of[s];
    }
  }
  for (size_t c = 0; c < columns_.size(); ++c) {
    const Column& column = columns_[c]->column();
    if (values[c] == 0) {
      next_[c] = nullptr;
    } else if (c == mixed_) {
      next_[c] = nullptr;
    } else if (!column.has_payload()) {
      columns_[c]->AddEmpty(static_cast<uint32_t>(values[c]));
    } else {
      next_[c] = columns_[c]->Extend(values[c]);
    }
  }
}

void AttributeTable::AddSlowly(const Owners& owners, uint32_t row) {
  const AttrRange range = owners.ranges[row];
  const Shape& shape = found_[owners.shapes[row]];
  for (uint32_t i = range.begin; i < range.end; ++i) {
    const Attr& attr = owners.batch->data().attributes[i];
    const Entry& entry = shape.entries[i - range.begin];
    if (entry.column == mixed_) {
      columns_[mixed_]->AddOwnedText(
          MixedText(owners.batch->Key(attr.key), owners.batch->Value(attr)));
    } else if (attr.type != AttrType::kEmpty) {
      *next_[entry.column]++ =
          entry.coded ? owners.codes[i]
                      : (attr.payload ^ entry.flip) |
                            (TextReference(owners.number, 0) & entry.reference);
    }
  }
}

void AttributeTable::Add(std::span<const RowRef> rows,
                         std::span<const Owners> owners) {
  Reserve(rows, owners);
  // Rows of a trace lie in many batches, whose attributes do not fit into the
  // caches: those of later rows are fetched while this one is copied.
  constexpr size_t kFetchRanges = 16;
  constexpr size_t kFetchAttributes = 8;
  for (size_t i = 0; i < rows.size(); ++i) {
    const RowRef& ref = rows[i];
    if (i + kFetchRanges < rows.size()) {
      const RowRef& later = rows[i + kFetchRanges];
      __builtin_prefetch(&owners[later.batch].ranges[later.row]);
      __builtin_prefetch(&owners[later.batch].shapes[later.row]);
    }
    if (i + kFetchAttributes < rows.size()) {
      const RowRef& later = rows[i + kFetchAttributes];
      const Owners& own = owners[later.batch];
      const uint32_t begin = own.ranges[later.row].begin;
      const auto& attributes = own.batch->data().attributes;
      if (begin + 4 < attributes.size()) {
        __builtin_prefetch(attributes.data() + begin);
        __builtin_prefetch(attributes.data() + begin + 4);
        __builtin_prefetch(own.codes.data() + begin);
      }
    }
    const Owners& own = owners[ref.batch];
    const Shape& shape = found_[own.shapes[ref.row]];
    if (!shape.plain) {
      AddSlowly(own, ref.row);
      continue;
    }
    const uint32_t begin = own.ranges[ref.row].begin;
    const Attr* attr = own.batch->data().attributes.data() + begin;
    const uint32_t* code = own.codes.data() + begin;
    const uint64_t batch = TextReference(own.number, 0);
    for (const Entry& entry : shape.entries) {
      const uint64_t value =
          (attr->payload ^ entry.flip) | (batch & entry.reference);
      *next_[entry.column]++ = entry.coded ? *code : value;
      ++attr;
      ++code;
    }
  }
}

}  // namespace khtrace::storage::columnar
