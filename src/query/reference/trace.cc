// SPDX-License-Identifier: Apache-2.0
#include "query/reference/trace.h"

#include <algorithm>

#include "aggregate/span_traits.h"

namespace khtrace::query::reference {

Trace::Trace(const model::SpanBatch& batch, const SpanJudge* judge)
    : batch_(&batch), judge_(judge) {
  FindParents();
  NumberNestedSets();
  MeasureTimes();
  WriteIds();
}

void Trace::FindParents() {
  const auto& spans = batch_->spans();
  parents_.assign(size(), kNoRow);
  child_counts_.assign(size(), 0);
  for (uint32_t row = 0; row < size(); ++row) {
    if (root(row)) {
      if (first_root_ == kNoRow) first_root_ = row;
      continue;
    }
    const auto found = std::find(spans.span_id.begin(), spans.span_id.end(),
                                 spans.parent_span_id[row]);
    const auto parent = static_cast<uint32_t>(found - spans.span_id.begin());
    if (parent == size() || parent == row) continue;
    parents_[row] = parent;
    ++child_counts_[parent];
  }
}

bool Trace::IsParent(uint32_t l, uint32_t r) const { return parents_[r] == l; }

bool Trace::IsAncestor(uint32_t l, uint32_t r) const {
  if (l == r) return false;
  uint32_t at = parents_[r];
  // In a cycle the walk does not end by itself.
  for (uint32_t steps = 0; at != kNoRow && steps < size(); ++steps) {
    if (at == l) return true;
    at = parents_[at];
  }
  return false;
}

bool Trace::IsSibling(uint32_t l, uint32_t r) const {
  if (l == r) return false;
  if (parents_[l] != kNoRow) return parents_[l] == parents_[r];
  return root(l) && root(r);
}

int64_t Trace::nested_parent(uint32_t row) const {
  if (root(row)) return -1;
  return parents_[row] == kNoRow ? 0 : left_[parents_[row]];
}

void Trace::NumberNestedSets() {
  std::vector<std::vector<uint32_t>> children(size());
  for (uint32_t row = 0; row < size(); ++row) {
    if (parents_[row] != kNoRow) children[parents_[row]].push_back(row);
  }
  left_.assign(size(), 0);
  right_.assign(size(), 0);
  std::vector<size_t> next(size(), 0);
  int64_t number = 0;
  for (uint32_t row = 0; row < size(); ++row) {
    if (!root(row)) continue;
    left_[row] = ++number;
    for (uint32_t at = row; at != kNoRow;) {
      if (next[at] < children[at].size()) {
        at = children[at][next[at]++];
        left_[at] = ++number;
      } else {
        right_[at] = ++number;
        at = parents_[at];
      }
    }
  }
}

void Trace::MeasureTimes() {
  const auto& spans = batch_->spans();
  std::vector<uint64_t> starts;
  std::vector<uint64_t> ends;
  for (uint32_t row = 0; row < size(); ++row) {
    starts.push_back(spans.start[row].ns);
    ends.push_back(spans.end[row].ns);
    error_count_ += spans.status[row] == model::StatusCode::kError ? 1 : 0;
  }
  first_start_ = *std::min_element(starts.begin(), starts.end());
  const uint64_t end = *std::max_element(ends.begin(), ends.end());
  duration_ = end > first_start_ ? end - first_start_ : 0;

  aggregate::SpanTree tree;
  tree.SetParents(parents_);
  tree.ChildTimes(starts, ends, &self_times_);
  for (uint32_t row = 0; row < size(); ++row) {
    self_times_[row] = batch_->DurationNanos(row) - self_times_[row];
  }
  uint32_t path_end = first_root_;
  for (uint32_t row = 0; path_end == kNoRow && row < size(); ++row) {
    if (tree.parents()[row] == kNoRow) path_end = row;
  }
  tree.CriticalTimes(starts, ends, path_end, &critical_times_);
}

void Trace::WriteIds() {
  const auto& spans = batch_->spans();
  id_ = spans.trace_id.front().ToHex();
  for (uint32_t row = 0; row < size(); ++row) {
    span_ids_.push_back(spans.span_id[row].ToHex());
    parent_ids_.push_back(root(row) ? "" : spans.parent_span_id[row].ToHex());
  }
  for (const model::TraceId id : batch_->links().trace_id) {
    link_trace_ids_.push_back(id.ToHex());
  }
  for (const model::SpanId id : batch_->links().span_id) {
    link_span_ids_.push_back(id.ToHex());
  }
}

SpanJudge::Judgement Trace::JudgementOf(uint32_t row) const {
  using aggregate::Trait;
  SpanJudge::Subject subject;
  subject.service = batch_->ServiceName(row);
  subject.name = batch_->String(batch_->spans().name[row]);
  subject.kind = batch_->spans().kind[row];
  for (const model::Attr& attr :
       batch_->Attributes(batch_->spans().attributes[row])) {
    const Trait trait = aggregate::TraitOfKey(batch_->Key(attr.key));
    if (trait == Trait::kNone) continue;
    if (subject.trait == Trait::kNone || trait < subject.trait) {
      subject.trait = trait;
    }
  }
  return judge_->Judge(subject);
}

}  // namespace khtrace::query::reference
