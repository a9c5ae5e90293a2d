// SPDX-License-Identifier: Apache-2.0
#include "query/trace_relatives.h"

#include <utility>

#include "query/trace_tree.h"

namespace khtrace::query {
namespace {

using model::RowIndex;
using Rows = std::vector<RowIndex>;

// Marks what is at most so many steps away from `rows`. Level by level: what
// was reached once was reached on the shortest way.
template <typename Neighbours>  // void(RowIndex, visit)
void Reach(std::span<const RowIndex> rows, uint32_t levels,
           const Neighbours& neighbours, std::vector<bool>* kept) {
  std::vector<bool> reached(kept->size(), false);
  for (const RowIndex row : rows) reached[row] = true;
  Rows edge(rows.begin(), rows.end());
  for (; levels > 0 && !edge.empty(); --levels) {
    Rows next;
    for (const RowIndex row : edge) {
      neighbours(row, [&](RowIndex neighbour) {
        if (reached[neighbour]) return;
        reached[neighbour] = true;
        (*kept)[neighbour] = true;
        next.push_back(neighbour);
      });
    }
    edge = std::move(next);
  }
}

}  // namespace

Rows WithRelatives(const model::SpanBatch& trace,
                   std::span<const RowIndex> rows, const Relatives& relatives) {
  if (relatives.ancestors == 0 && relatives.descendants == 0) {
    return {rows.begin(), rows.end()};
  }
  const TraceTree tree(trace);
  std::vector<bool> kept(trace.row_count(), false);
  for (const RowIndex row : rows) kept[row] = true;
  Reach(
      rows, relatives.ancestors,
      [&tree](RowIndex row, const auto& visit) {
        const RowIndex parent = tree.parent(row);
        if (parent != TraceTree::kNoRow) visit(parent);
      },
      &kept);
  Reach(
      rows, relatives.descendants,
      [&tree](RowIndex row, const auto& visit) {
        for (const RowIndex child : tree.children(row)) visit(child);
      },
      &kept);
  Rows out;
  for (RowIndex row = 0; row < kept.size(); ++row) {
    if (kept[row]) out.push_back(row);
  }
  return out;
}

}  // namespace khtrace::query
