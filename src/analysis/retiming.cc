// SPDX-License-Identifier: Apache-2.0
#include "analysis/retiming.h"

#include <algorithm>

namespace khtrace::analysis {
namespace {

uint64_t Less(uint64_t nanos, uint32_t percent) {
  // In two steps: a hundred times a duration need not fit.
  return nanos - nanos / 100 * percent - nanos % 100 * percent / 100;
}

}  // namespace

void Retiming::AddCalls(std::span<const TraceSample::Span> spans,
                        size_t caller) {
  const auto first = static_cast<uint32_t>(nodes_.size());
  const uint64_t begin = nodes_[caller].begin;
  const uint64_t end = nodes_[caller].end;
  // In order of start, and so are their cut starts.
  for (const uint32_t row : tree_.children(nodes_[caller].row)) {
    Node call;
    call.row = row;
    call.operation = spans[row].operation;
    call.begin = std::max(starts_[row], begin);
    call.end = std::min(ends_[row], end);
    if (call.begin < call.end) nodes_.push_back(call);
  }
  const auto behind = static_cast<uint32_t>(nodes_.size());
  nodes_[caller].first_call = first;
  nodes_[caller].calls = behind - first;
  by_end_.resize(behind);
  for (uint32_t i = first; i < behind; ++i) by_end_[i] = i;
  std::sort(
      by_end_.begin() + first, by_end_.end(), [this](uint32_t a, uint32_t b) {
        return nodes_[a].end != nodes_[b].end ? nodes_[a].end < nodes_[b].end
                                              : a < b;
      });
  uint32_t next = first;
  uint64_t latest = begin;
  for (uint32_t i = first; i < behind; ++i) {
    while (next < behind && nodes_[by_end_[next]].end <= nodes_[i].begin) {
      latest = nodes_[by_end_[next++]].end;
    }
    nodes_[i].before = nodes_[i].begin - latest;
    nodes_[i].ended = next - first;
  }
  const uint64_t last = behind > first ? nodes_[by_end_.back()].end : begin;
  nodes_[caller].tail = end - last;
}

void Retiming::Set(std::span<const TraceSample::Span> spans, uint32_t root) {
  parents_.clear();
  starts_.clear();
  ends_.clear();
  for (const TraceSample::Span& span : spans) {
    parents_.push_back(span.parent);
    starts_.push_back(span.start);
    ends_.push_back(span.end);
  }
  tree_.SetParents(parents_);
  if (root == aggregate::kNoRow) {
    const auto parents = tree_.parents();
    root = static_cast<uint32_t>(
        std::find(parents.begin(), parents.end(), aggregate::kNoRow) -
        parents.begin());
  }
  tree_.CriticalTimes(starts_, ends_, root, &critical_);
  duration_ = ends_[root] - starts_[root];
  nodes_.clear();
  by_end_.assign(1, 0);
  nodes_.push_back({});
  nodes_[0].row = root;
  nodes_[0].operation = spans[root].operation;
  nodes_[0].begin = starts_[root];
  nodes_[0].end = ends_[root];
  for (size_t i = 0; i < nodes_.size(); ++i) AddCalls(spans, i);
}

uint64_t Retiming::DurationIf(uint32_t operation, uint32_t percent) {
  lengths_.assign(nodes_.size(), 0);
  finishes_.assign(nodes_.size(), 0);
  for (size_t i = nodes_.size(); i-- > 0;) {
    const Node& caller = nodes_[i];
    const uint32_t faster = caller.operation == operation ? percent : 0;
    const uint32_t first = caller.first_call;
    uint32_t ended = 0;
    uint64_t latest = 0;  // of the calls that have ended, the last
    for (uint32_t call = first; call < first + caller.calls; ++call) {
      for (; ended < nodes_[call].ended; ++ended) {
        latest = std::max(latest, finishes_[by_end_[first + ended]]);
      }
      finishes_[call] =
          latest + Less(nodes_[call].before, faster) + lengths_[call];
    }
    for (; ended < caller.calls; ++ended) {
      latest = std::max(latest, finishes_[by_end_[first + ended]]);
    }
    lengths_[i] = latest + Less(caller.tail, faster);
  }
  return lengths_[0];
}

}  // namespace khtrace::analysis
