// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "aggregate/partial_rows.h"

namespace khtrace::aggregate {

// Rows of a partial while they are counted. They lie in the order of their
// first sight, so that those of one time lie together in the caches, and a row
// is found with one look into a table of numbers. Confined to one thread.
template <typename Key, typename Sums>
class RowTable {
 public:
  struct Row {
    Key key;
    Sums sums;
  };

  // The sums of `key`, until the next call. init(&sums) of a new row.
  template <typename Init>
  Sums& Get(const Key& key, const Init& init) {
    return Get(key, KeyHash{}(key), init);
  }

  // For many keys at once: the caches fetch what the others need meanwhile.
  // First FetchSlot of each hash, then FetchRow of each, then Get of each.
  void FetchSlot(uint64_t hash) const {
    __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
  }
  void FetchRow(uint64_t hash) const {
    const uint32_t row = slots_[hash & (slots_.size() - 1)].row;
    if (row != 0) __builtin_prefetch(&rows_[row - 1].sums);
  }
  // `hash`: KeyHash's of the key.
  template <typename Init>
  Sums& Get(const Key& key, uint64_t hash, const Init& init) {
    const auto tag = static_cast<uint32_t>(hash >> 32);
    size_t slot = hash & (slots_.size() - 1);
    for (; slots_[slot].row != 0; slot = (slot + 1) & (slots_.size() - 1)) {
      if (slots_[slot].tag != tag) continue;
      Row& row = rows_[slots_[slot].row - 1];
      if (row.key == key) return row.sums;
    }
    rows_.push_back({key, Sums()});
    slots_[slot] = {tag, static_cast<uint32_t>(rows_.size())};
    if (rows_.size() * 2 > slots_.size()) Grow();
    init(&rows_.back().sums);
    return rows_.back().sums;
  }

  std::vector<Row>& rows() { return rows_; }
  void Clear() {
    rows_.clear();
    slots_.assign(kLeastSlots, {});
  }

 private:
  static constexpr size_t kLeastSlots = 64;
  struct Slot {
    uint32_t tag = 0;  // the upper half of the hash
    uint32_t row = 0;  // position + 1; 0: free
  };

  void Grow() {
    slots_.assign(slots_.size() * 4, {});
    for (size_t i = 0; i < rows_.size(); ++i) {
      const uint64_t hash = KeyHash{}(rows_[i].key);
      size_t slot = hash & (slots_.size() - 1);
      while (slots_[slot].row != 0) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = {static_cast<uint32_t>(hash >> 32),
                      static_cast<uint32_t>(i + 1)};
    }
  }

  std::vector<Row> rows_;
  std::vector<Slot> slots_ = std::vector<Slot>(kLeastSlots);
};

}  // namespace khtrace::aggregate
