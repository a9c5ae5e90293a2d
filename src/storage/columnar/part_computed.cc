// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_computed.h"

#include <algorithm>

namespace khtrace::storage::columnar {
namespace {

using F = ColumnField;

// The overlaps of the rows from `first` on that are a parent. They lie dense,
// behind those of the rows before.
Status ReadOverlaps(const PartFile& file, size_t group, uint32_t first,
                    std::span<const uint64_t> codes, uint32_t parents,
                    std::vector<uint64_t>* out) {
  std::vector<bool> is_parent(first);
  for (uint32_t row = 0; row < first; ++row) {
    const uint32_t parent = ParentRow(codes[row], row);
    if (parent < first) is_parent[parent] = true;
  }
  const auto skip = static_cast<uint32_t>(
      std::count(is_parent.begin(), is_parent.end(), true));
  const uint32_t column = file.Field(Table::kSpan, F::kOverlap);
  if (uint64_t{skip} + parents > file.column(column).chunks[group].values) {
    return file.Locate({Code::kDataLoss, "fewer values than parents"}, column,
                       group);
  }
  return file.ReadInts(column, group, skip, parents, out);
}

}  // namespace

Result<ComputedSpans> ReadComputed(const PartFile& file, size_t group,
                                   uint32_t first, uint32_t spans) {
  std::vector<uint64_t> codes;
  std::vector<uint64_t> durations;
  std::vector<uint64_t> critical;
  std::vector<uint64_t> overlaps;
  const auto read = [&](F field, uint32_t begin, uint32_t n, auto* out) {
    return file.ReadInts(file.Field(Table::kSpan, field), group, begin, n, out);
  };
  RETURN_IF_ERROR(read(F::kParent, 0, first + spans, &codes));
  RETURN_IF_ERROR(read(F::kDuration, first, spans, &durations));
  RETURN_IF_ERROR(read(F::kCritical, first, spans, &critical));
  std::vector<uint32_t> parents(spans);
  std::vector<bool> is_parent(spans);
  for (uint32_t row = 0; row < spans; ++row) {
    parents[row] = ParentRow(codes[first + row], row);
    if (parents[row] == aggregate::kNoRow) continue;
    if (parents[row] >= spans) {
      return file.Locate({Code::kDataLoss, "a parent outside its trace"},
                         file.Field(Table::kSpan, F::kParent), group);
    }
    is_parent[parents[row]] = true;
  }
  const auto count = static_cast<uint32_t>(
      std::count(is_parent.begin(), is_parent.end(), true));
  RETURN_IF_ERROR(ReadOverlaps(file, group, first, codes, count, &overlaps));
  aggregate::SpanTree tree;
  tree.SetParents(parents);
  ComputedSpans out;
  out.parent.assign(tree.parents().begin(), tree.parents().end());
  tree.NestedSets(&out.nested_left, &out.nested_right);
  size_t next = 0;
  for (uint32_t row = 0; row < spans; ++row) {
    uint64_t self = durations[row];
    for (const uint32_t child : tree.children(row)) self -= durations[child];
    if (is_parent[row]) self += overlaps[next++];
    out.child_count.push_back(tree.child_count(row));
    out.self_nanos.push_back(self);
    out.critical_nanos.push_back(CriticalFromCode(critical[row], self));
  }
  return out;
}

}  // namespace khtrace::storage::columnar
