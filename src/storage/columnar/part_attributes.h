// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/span_batch.h"
#include "storage/columnar/part_column_builder.h"
#include "storage/columnar/part_rows.h"

namespace khtrace::storage::columnar {

// The attribute columns and shapes of one table, while a part is written.
// In this order: FindShapes of every batch, MakeColumns, Intern every batch,
// FinishInterning, then Add the rows of each row group. Confined to one
// thread. Borrows the batches.
class AttributeTable {
 public:
  explicit AttributeTable(Table table) : table_(table) {}

  // Appends the shape of each owner: a number for its list of keys and types
  // that MakeColumns and ShapeNumber know.
  void FindShapes(const model::SpanBatch& batch,
                  std::span<const model::AttrRange> owners,
                  std::vector<uint32_t>* shapes);
  // Keys beyond the most frequent kMaxColumns share the mixed column.
  void MakeColumns();

  // Gives each text attribute of the owners its code in its column: codes[i]
  // for attribute i of the batch. `memo` is the batch's, by StringCode.
  void Intern(const model::SpanBatch& batch,
              std::span<const model::AttrRange> owners,
              std::span<const uint32_t> shapes, std::vector<TextMemo>& memo,
              std::vector<uint32_t>& codes);
  void FinishInterning();

  // What Add needs to know of the rows of a batch, by row.
  struct Owners {
    const model::SpanBatch* batch = nullptr;
    uint32_t number = 0;  // of the batch, for references
    std::span<const model::AttrRange> ranges;
    std::span<const uint32_t> shapes;
    std::span<const uint32_t> codes;  // by attribute of the batch
  };
  // Adds the values of `rows`, whose `batch` is a position in `owners`.
  void Add(std::span<const RowRef> rows, std::span<const Owners> owners);
  // A shape's position in shapes().
  uint32_t ShapeNumber(uint32_t shape) const { return numbers_[shape]; }

  // The attributes of owners of a shape, as FindShapes told it.
  uint32_t ShapeSize(uint32_t shape) const {
    return static_cast<uint32_t>(found_[shape].keys.size());
  }
  struct KeyOfShape {
    std::string_view text;
    ColumnType type = 0;
    uint32_t column = 0;  // in columns()
    bool coded = false;   // Intern's codes are its column's
  };
  // After FinishInterning.
  KeyOfShape KeyOf(uint32_t shape, uint32_t position) const {
    const Key& key = keys_[found_[shape].keys[position]];
    const Entry& entry = found_[shape].entries[position];
    return {key.text, key.type, entry.column, entry.coded};
  }

  std::vector<std::unique_ptr<ColumnBuilder>>& columns() { return columns_; }
  // Each is a list of positions in columns().
  const std::vector<std::vector<uint32_t>>& shapes() const { return shapes_; }

 private:
  // Columns of one table. Larger: every key is searched as fast as others;
  // smaller: a part with very many keys has a smaller footer (some 20 bytes a
  // column and row group).
  static constexpr size_t kMaxColumns = 1024;

  struct Key {
    std::string_view text;
    ColumnType type = 0;
    uint64_t count = 0;
    uint32_t column = kNoColumn;
  };
  // How a value of a shape becomes one of its column, without a branch:
  // (payload ^ flip) | (batch & reference), or the code under `coded`.
  struct Entry {
    uint32_t column = 0;
    bool text = false;
    bool coded = false;
    uint64_t flip = 0;
    uint64_t reference = 0;
  };
  // A list of keys; `entries` from MakeColumns on.
  struct Shape {
    std::vector<uint32_t> keys;  // positions in keys_
    std::vector<Entry> entries;
    bool plain = true;  // no value of a mixed column or without payload
  };

  uint32_t KeyNumber(std::string_view text, ColumnType type);
  // The shape with the attributes of `range`, as a key of the batch is
  // numbered in batch_keys_.
  uint32_t FindShape(const model::SpanBatch& batch, model::AttrRange range);
  void GrowSlots();
  void AddMixedColumn();
  void MakeEntries(Shape* shape);
  void Reserve(std::span<const RowRef> rows, std::span<const Owners> owners);
  void AddSlowly(const Owners& owners, uint32_t row);

  const Table table_;
  std::map<std::pair<std::string_view, ColumnType>, uint32_t> key_numbers_;
  std::vector<Key> keys_;
  std::vector<Shape> found_;  // in order of first sight
  boost::unordered_flat_map<uint64_t, uint32_t> by_hash_;
  std::vector<uint32_t> numbers_;  // of found_ in shapes_

  // FindShapes' own, by batch: key * 8 + type -> position in keys_ + 1; and
  // lists of those -> position in found_.
  struct Known {
    uint64_t hash = 0;
    uint32_t begin = 0;  // in known_lists_
    uint32_t size = 0;
    uint32_t shape = 0;
    uint32_t count = 0;
  };
  std::vector<uint32_t> batch_keys_;
  std::vector<Known> known_;
  std::vector<uint32_t> known_lists_;
  std::vector<uint32_t> slots_;  // position in known_ + 1, 0 = free
  uint32_t last_known_ = 0;
  std::vector<uint32_t> list_;  // the one being looked up

  uint32_t mixed_ = kNoColumn;
  std::vector<std::unique_ptr<ColumnBuilder>> columns_;
  std::vector<std::vector<uint32_t>> shapes_;
  std::vector<uint64_t*> next_;  // Add's, by column
};

}  // namespace khtrace::storage::columnar
