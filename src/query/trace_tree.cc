// SPDX-License-Identifier: Apache-2.0
#include "query/trace_tree.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <numeric>
#include <tuple>
#include <utility>

#include "base/hash.h"

namespace khtrace::query {
namespace {

using model::RowIndex;
using model::SpanKind;

struct SpanIdHash {
  size_t operator()(const model::SpanId& id) const { return Mix64(id.value); }
};

// The rows that carry one span id.
struct SameId {
  RowIndex first = TraceTree::kNoRow;
  RowIndex client = TraceTree::kNoRow;
  RowIndex server = TraceTree::kNoRow;

  bool shared() const {
    return client != TraceTree::kNoRow && server != TraceTree::kNoRow;
  }
  RowIndex adopter() const { return shared() ? server : first; }
};

using RowsById = boost::unordered_flat_map<model::SpanId, SameId, SpanIdHash>;

RowsById IndexById(const model::SpanBatch& trace) {
  RowsById rows;
  rows.reserve(trace.row_count());
  for (RowIndex row = 0; row < trace.row_count(); ++row) {
    SameId& same = rows[trace.spans().span_id[row]];
    const auto take = [row](RowIndex& slot) {
      if (slot == TraceTree::kNoRow) slot = row;
    };
    take(same.first);
    if (trace.spans().kind[row] == SpanKind::kClient) take(same.client);
    if (trace.spans().kind[row] == SpanKind::kServer) take(same.server);
  }
  return rows;
}

std::vector<RowIndex> RowsByStart(const model::SpanBatch& trace) {
  std::vector<RowIndex> rows(trace.row_count());
  std::iota(rows.begin(), rows.end(), 0);
  const auto key = [&spans = trace.spans()](RowIndex row) {
    return std::tuple(spans.start[row], spans.span_id[row], row);
  };
  std::ranges::sort(rows, {}, key);
  return rows;
}

}  // namespace

TraceTree::TraceTree(const model::SpanBatch& trace)
    : parent_(trace.row_count(), kNoRow), orphan_(trace.row_count(), false) {
  const std::vector<RowIndex> by_start = RowsByStart(trace);
  FindParents(trace);
  CutCycles(by_start);
  FillChildren(by_start);
}

void TraceTree::FindParents(const model::SpanBatch& trace) {
  const RowsById rows = IndexById(trace);
  const model::SpanColumns& spans = trace.spans();
  for (RowIndex row = 0; row < row_count(); ++row) {
    const SameId& same = rows.find(spans.span_id[row])->second;
    if (same.shared() && spans.kind[row] == SpanKind::kServer) {
      parent_[row] = same.client;
      continue;
    }
    if (spans.parent_span_id[row].IsZero()) continue;
    const auto it = rows.find(spans.parent_span_id[row]);
    if (it == rows.end()) {
      orphan_[row] = true;
      ++orphan_count_;
    } else if (it->second.adopter() != row) {
      parent_[row] = it->second.adopter();
    }
  }
}

void TraceTree::CutCycles(std::span<const RowIndex> by_start) {
  enum : uint8_t { kNew, kOnPath, kDone };
  std::vector<uint8_t> state(row_count(), kNew);
  std::vector<RowIndex> position(row_count());
  for (RowIndex i = 0; i < row_count(); ++i) position[by_start[i]] = i;
  std::vector<RowIndex> path;
  for (const RowIndex start : by_start) {
    path.clear();
    RowIndex row = start;
    while (row != kNoRow && state[row] == kNew) {
      state[row] = kOnPath;
      path.push_back(row);
      row = parent_[row];
    }
    if (row != kNoRow && state[row] == kOnPath) {
      const auto cycle = std::ranges::find(path, row);
      const RowIndex earliest = *std::min_element(
          cycle, path.end(),
          [&](RowIndex a, RowIndex b) { return position[a] < position[b]; });
      parent_[earliest] = kNoRow;
    }
    for (const RowIndex done : path) state[done] = kDone;
  }
}

void TraceTree::FillChildren(std::span<const RowIndex> by_start) {
  const auto owner = [this](RowIndex row) {
    return parent_[row] == kNoRow ? row_count() : parent_[row];
  };
  begin_.assign(row_count() + 2, 0);
  for (const RowIndex row : by_start) ++begin_[owner(row) + 1];
  std::partial_sum(begin_.begin(), begin_.end(), begin_.begin());
  std::vector<uint32_t> next(begin_.begin(), begin_.end() - 1);
  children_.resize(row_count());
  for (const RowIndex row : by_start) children_[next[owner(row)]++] = row;
}

void TraceTree::ForEach(
    const std::function<void(RowIndex, uint32_t)>& visit) const {
  // A stack of our own: a trace may be a chain of 100 000 spans.
  std::vector<std::pair<RowIndex, uint32_t>> stack;
  const auto push = [&stack](std::span<const RowIndex> rows, uint32_t depth) {
    for (size_t i = rows.size(); i-- > 0;) stack.emplace_back(rows[i], depth);
  };
  push(roots(), 0);
  while (!stack.empty()) {
    const auto [row, depth] = stack.back();
    stack.pop_back();
    visit(row, depth);
    push(children(row), depth + 1);
  }
}

}  // namespace khtrace::query
