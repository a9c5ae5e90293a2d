// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_rows.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <tuple>

namespace khtrace::storage::columnar {
namespace {

// Trace ids and their numbers, in order of first sight.
class TraceNumbers {
 public:
  TraceNumbers() : slots_(1024, 0) {}

  uint32_t NumberOf(const model::TraceId& id, uint64_t start) {
    // Neighbours usually belong together.
    if (traces_.empty() || traces_[last_].id != id) last_ = Find(id);
    TraceSlice& trace = traces_[last_];
    trace.start = std::min(trace.start, start);
    ++trace.count;
    return last_;
  }
  std::vector<TraceSlice>& traces() { return traces_; }

 private:
  uint32_t Find(const model::TraceId& id) {
    if (traces_.size() * 2 > slots_.size()) Grow();
    size_t slot = model::TraceIdHash{}(id) & (slots_.size() - 1);
    while (slots_[slot] != 0 && traces_[slots_[slot] - 1].id != id) {
      slot = (slot + 1) & (slots_.size() - 1);
    }
    if (slots_[slot] == 0) {
      traces_.push_back({id, UINT64_MAX, 0, 0});
      slots_[slot] = static_cast<uint32_t>(traces_.size());
    }
    return slots_[slot] - 1;
  }
  void Grow() {
    slots_.assign(slots_.size() * 4, 0);
    for (size_t i = 0; i < traces_.size(); ++i) {
      size_t slot = model::TraceIdHash{}(traces_[i].id) & (slots_.size() - 1);
      while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = static_cast<uint32_t>(i + 1);
    }
  }

  uint32_t last_ = 0;
  std::vector<uint32_t> slots_;  // number + 1, 0 = free; power-of-two size
  std::vector<TraceSlice> traces_;
};

struct SpanKey {
  uint64_t start;
  uint64_t span_id;
  RowRef ref;
  uint8_t kind;

  auto Key() const { return std::tuple(start, span_id, kind); }
  // Mostly the start decides.
  bool operator<(const SpanKey& other) const {
    if (start != other.start) return start < other.start;
    return std::tuple(span_id, kind, ref.batch, ref.row) <
           std::tuple(other.span_id, other.kind, other.ref.batch,
                      other.ref.row);
  }
};

// Sorts and deduplicates the rows of one trace in place; how many are left.
uint32_t OrderTrace(std::span<const model::SpanBatchPtr> batches,
                    std::span<RowRef> rows, std::vector<SpanKey>* keys) {
  keys->clear();
  // Rows of a trace lie in many batches.
  for (const RowRef ref : rows) {
    const model::SpanColumns& spans = batches[ref.batch]->spans();
    __builtin_prefetch(&spans.start[ref.row]);
    __builtin_prefetch(&spans.span_id[ref.row]);
    __builtin_prefetch(&spans.kind[ref.row]);
  }
  for (const RowRef ref : rows) {
    const model::SpanColumns& spans = batches[ref.batch]->spans();
    keys->push_back({spans.start[ref.row].ns, spans.span_id[ref.row].value, ref,
                     static_cast<uint8_t>(spans.kind[ref.row])});
  }
  std::sort(keys->begin(), keys->end());
  const auto end = std::unique(
      keys->begin(), keys->end(),
      [](const SpanKey& a, const SpanKey& b) { return a.Key() == b.Key(); });
  keys->erase(end, keys->end());
  for (size_t i = 0; i < keys->size(); ++i) rows[i] = (*keys)[i].ref;
  return static_cast<uint32_t>(keys->size());
}

}  // namespace

RowOrder OrderRows(std::span<const model::SpanBatchPtr> batches) {
  size_t total = 0;
  for (const auto& batch : batches) total += batch->row_count();
  TraceNumbers numbers;
  std::vector<uint32_t> trace_of;
  trace_of.reserve(total);
  for (const auto& batch : batches) {
    const model::SpanColumns& spans = batch->spans();
    for (size_t i = 0; i < spans.trace_id.size(); ++i) {
      trace_of.push_back(
          numbers.NumberOf(spans.trace_id[i], spans.start[i].ns));
    }
  }
  const std::vector<TraceSlice>& found = numbers.traces();
  std::vector<uint32_t> sorted(found.size());
  std::iota(sorted.begin(), sorted.end(), 0);
  std::sort(sorted.begin(), sorted.end(), [&](uint32_t a, uint32_t b) {
    return std::tie(found[a].start, found[a].id) <
           std::tie(found[b].start, found[b].id);
  });

  RowOrder order;
  order.traces.reserve(found.size());
  std::vector<size_t> next(found.size());
  size_t first = 0;
  for (const uint32_t number : sorted) {
    order.traces.push_back(found[number]);
    order.traces.back().first = first;
    next[number] = first;
    first += found[number].count;
  }
  order.rows.resize(total);
  size_t i = 0;
  for (uint32_t b = 0; b < batches.size(); ++b) {
    for (model::RowIndex row = 0; row < batches[b]->row_count(); ++row) {
      order.rows[next[trace_of[i++]]++] = {b, row};
    }
  }
  std::vector<SpanKey> keys;
  size_t kept = 0;
  for (TraceSlice& trace : order.traces) {
    const std::span<RowRef> rows(order.rows.data() + trace.first, trace.count);
    trace.count = OrderTrace(batches, rows, &keys);
    std::move(rows.begin(), rows.begin() + trace.count,
              order.rows.begin() + static_cast<ptrdiff_t>(kept));
    trace.first = kept;
    kept += trace.count;
  }
  order.rows.resize(kept);
  return order;
}

}  // namespace khtrace::storage::columnar
