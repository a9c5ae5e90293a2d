// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/span_batch.h"
#include "storage/columnar/part_column_builder.h"

namespace khtrace::storage::columnar {

// The attribute columns and shapes of one table, while a part is written.
// In this order: CountKeys of every batch, MakeColumns, Intern every owner,
// Add the owners in the part's order. Confined to one thread. Borrows the
// batches.
class AttributeTable {
 public:
  explicit AttributeTable(Table table) : table_(table) {}

  // Counts the keys and types of all `owners` in the next batch.
  void CountKeys(const model::SpanBatch& batch,
                 std::span<const model::AttrRange> owners);
  // Keys beyond the most frequent kMaxColumns share the mixed column.
  void MakeColumns();

  // Marks the addresses of columns that are fields.
  static constexpr uint32_t kFieldAddress = 1u << 31;

  // Gives each text attribute of `range` its code: codes[i] for attribute i
  // of the batch. `memo` is the batch's.
  struct Memo {
    uint32_t column = 0;  // an address over all tables; 0 = empty
    uint32_t code = 0;
  };
  void Intern(uint32_t number, const model::SpanBatch& batch,
              model::AttrRange range, std::vector<Memo>& memo,
              std::vector<uint32_t>& codes);
  // Adds the values and returns the row's shape.
  uint32_t Add(uint32_t number, const model::SpanBatch& batch,
               model::AttrRange range, const std::vector<uint32_t>& codes);

  std::vector<std::unique_ptr<ColumnBuilder>>& columns() { return columns_; }
  // Each is a list of positions in columns().
  const std::vector<std::vector<uint32_t>>& shapes() const { return shapes_; }

 private:
  // Columns of one table. Larger: every key is searched as fast as others;
  // smaller: a part with very many keys has a smaller footer (some 20 bytes a
  // column and row group).
  static constexpr size_t kMaxColumns = 1024;

  uint32_t ColumnOf(uint32_t number, const model::Attr& attr) const {
    return column_of_[number][attr.key * 8 + static_cast<size_t>(attr.type)];
  }
  void AddMixedColumn();
  uint32_t ShapeNumber();

  const Table table_;
  struct Key {
    uint64_t count = 0;
    uint32_t position = kNoColumn;
  };
  // std::map: its entries stay where they are, and columns come sorted.
  std::map<std::pair<std::string_view, ColumnType>, Key> keys_;
  uint32_t mixed_ = kNoColumn;
  std::vector<std::unique_ptr<ColumnBuilder>> columns_;
  // By batch, by key * 8 + type; null where that does not occur.
  std::vector<std::vector<Key*>> keys_of_;
  // The same, from MakeColumns on: the position in columns_.
  std::vector<std::vector<uint32_t>> column_of_;
  std::vector<std::vector<uint32_t>> shapes_;
  // By hash; a shape whose place is taken has the next one.
  boost::unordered_flat_map<uint64_t, uint32_t> shape_numbers_;
  uint32_t last_shape_ = 0;
  std::vector<uint32_t> row_;  // the shape being looked up
};

}  // namespace khtrace::storage::columnar
