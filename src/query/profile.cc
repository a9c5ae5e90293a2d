// SPDX-License-Identifier: Apache-2.0
#include "query/profile.h"

namespace khtrace::query {

OperatorCounts Profile::Find(const void* plan) const {
  const auto known = operators_.find(plan);
  return known == operators_.end() ? OperatorCounts() : known->second;
}

ColumnCounts Profile::FindColumn(size_t column) const {
  return column < columns_.size() ? columns_[column] : ColumnCounts();
}

void Profile::Merge(const Profile& other) {
  for (const auto& [plan, counts] : other.operators_) {
    OperatorCounts& own = Of(plan);
    own.units += counts.units;
    own.pruned += counts.pruned;
    own.rows_in += counts.rows_in;
    own.rows_out += counts.rows_out;
    own.nanos += counts.nanos;
  }
  for (size_t i = 0; i < other.columns_.size(); ++i) {
    ColumnCounts& own = OfColumn(i);
    own.units += other.columns_[i].units;
    own.bytes += other.columns_[i].bytes;
    own.nanos += other.columns_[i].nanos;
  }
}

}  // namespace khtrace::query
