// SPDX-License-Identifier: Apache-2.0
#include "aggregate/trace_view.h"

#include <algorithm>
#include <tuple>

namespace khtrace::aggregate {
namespace {

using model::RowRef;

auto KeyOf(const RowRef& ref) {
  const model::SpanColumns& spans = ref.batch->spans();
  return std::tuple(spans.start[ref.row], spans.span_id[ref.row],
                    spans.kind[ref.row]);
}

}  // namespace

void TraceLinker::FindParents() {
  by_id_.clear();
  for (uint32_t i = 0; i < rows_.size(); ++i) {
    by_id_.push_back({rows_[i].batch->spans().span_id[rows_[i].row].value, i});
  }
  std::sort(by_id_.begin(), by_id_.end());
  parents_.clear();
  for (const RowRef& ref : rows_) {
    const model::SpanId id = ref.batch->spans().parent_span_id[ref.row];
    const auto found = std::lower_bound(by_id_.begin(), by_id_.end(),
                                        std::pair(id.value, uint32_t{0}));
    const bool known =
        !id.IsZero() && found != by_id_.end() && found->first == id.value;
    parents_.push_back(known ? found->second : kNoRow);
  }
}

TraceView TraceLinker::Link(std::span<const RowRef> rows) {
  rows_.assign(rows.begin(), rows.end());
  std::stable_sort(
      rows_.begin(), rows_.end(),
      [](const RowRef& a, const RowRef& b) { return KeyOf(a) < KeyOf(b); });
  rows_.erase(std::unique(rows_.begin(), rows_.end(),
                          [](const RowRef& a, const RowRef& b) {
                            return KeyOf(a) == KeyOf(b);
                          }),
              rows_.end());
  starts_.clear();
  ends_.clear();
  for (const RowRef& ref : rows_) {
    starts_.push_back(ref.batch->spans().start[ref.row].ns);
    ends_.push_back(ref.batch->spans().end[ref.row].ns);
  }
  FindParents();
  tree_.SetParents(parents_);
  uint32_t root = kNoRow;
  for (uint32_t i = 0; i < rows_.size(); ++i) {
    const RowRef& ref = rows_[i];
    if (ref.batch->spans().parent_span_id[ref.row].IsZero()) {
      root = i;
      break;
    }
    if (root == kNoRow && tree_.parents()[i] == kNoRow) root = i;
  }
  tree_.CriticalTimes(starts_, ends_, root, &critical_);
  const RowRef& first = rows_.front();
  return {first.batch->spans().trace_id[first.row],
          rows_,
          starts_,
          ends_,
          &tree_,
          root,
          critical_};
}

}  // namespace khtrace::aggregate
