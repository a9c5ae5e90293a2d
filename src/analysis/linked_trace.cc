// SPDX-License-Identifier: Apache-2.0
#include "analysis/linked_trace.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "aggregate/span_traits.h"
#include "aggregate/trace_view.h"

namespace khtrace::analysis {

using aggregate::kNoRow;
using aggregate::Trait;
using model::AttrType;

LinkedTrace::LinkedTrace(const model::SpanBatch& trace) : batch_(trace) {
  std::vector<model::RowRef> refs;
  for (model::RowIndex row = 0; row < trace.row_count(); ++row) {
    refs.push_back({&trace, row});
  }
  if (refs.empty()) return;
  aggregate::TraceLinker linker;
  const aggregate::TraceView view = linker.Link(refs);
  for (uint32_t i = 0; i < view.rows.size(); ++i) {
    rows_.push_back(view.rows[i].row);
    starts_.push_back(view.starts[i]);
    ends_.push_back(std::max(view.starts[i], view.ends[i]));
  }
  tree_ = *view.tree;
  root_ = view.root;
}

bool LinkedTrace::failed(uint32_t i) const {
  return batch_.spans().status[rows_[i]] == model::StatusCode::kError;
}
std::string_view LinkedTrace::service(uint32_t i) const {
  return batch_.ServiceName(rows_[i]);
}
std::string_view LinkedTrace::name(uint32_t i) const {
  return batch_.String(batch_.spans().name[rows_[i]]);
}
model::SpanKind LinkedTrace::kind(uint32_t i) const {
  return batch_.spans().kind[rows_[i]];
}

Trait LinkedTrace::trait(uint32_t i) const {
  Trait trait = Trait::kNone;
  for (const model::Attr& attr :
       batch_.Attributes(batch_.spans().attributes[rows_[i]])) {
    const Trait told = aggregate::TraitOfKey(batch_.Key(attr.key));
    if (told == Trait::kNone) continue;
    trait = trait == Trait::kNone ? told : std::min(trait, told);
  }
  return trait;
}

const model::Attr* LinkedTrace::Find(
    uint32_t i, std::initializer_list<std::string_view> keys) const {
  const auto attributes =
      batch_.Attributes(batch_.spans().attributes[rows_[i]]);
  for (const std::string_view key : keys) {
    for (const model::Attr& attr : attributes) {
      if (batch_.Key(attr.key) == key) return &attr;
    }
  }
  return nullptr;
}

std::string_view LinkedTrace::Text(
    uint32_t i, std::initializer_list<std::string_view> keys) const {
  const model::Attr* attr = Find(i, keys);
  if (attr == nullptr || attr->type != AttrType::kString) return {};
  return batch_.String(static_cast<model::StringCode>(attr->payload));
}

std::optional<double> LinkedTrace::Number(
    uint32_t i, std::initializer_list<std::string_view> keys) const {
  const model::Attr* attr = Find(i, keys);
  if (attr == nullptr) return std::nullopt;
  if (attr->type == AttrType::kDouble) {
    const auto number = std::bit_cast<double>(attr->payload);
    if (!std::isfinite(number)) return std::nullopt;
    return number;
  }
  if (attr->type != AttrType::kInt) return std::nullopt;
  return static_cast<double>(static_cast<int64_t>(attr->payload));
}

std::string_view LinkedTrace::ResourceText(uint32_t i,
                                           std::string_view key) const {
  const auto& scope = batch_.scopes()[batch_.spans().scope[rows_[i]]];
  const auto& resource = batch_.resources()[scope.resource];
  for (const model::Attr& attr : batch_.Attributes(resource.attributes)) {
    if (batch_.Key(attr.key) != key || attr.type != AttrType::kString) continue;
    return batch_.String(static_cast<model::StringCode>(attr.payload));
  }
  return {};
}

bool LinkedTrace::is_root(uint32_t i) const { return parent(i) == kNoRow; }

bool LinkedTrace::lost_parent(uint32_t i) const {
  return is_root(i) && !batch_.spans().parent_span_id[rows_[i]].IsZero();
}

CriticalPath LinkedTrace::Path() {
  CriticalPath path;
  if (root_ == kNoRow) return path;
  path.root = rows_[root_];
  std::vector<aggregate::SpanTree::Segment> segments;
  tree_.CriticalSegments(starts_, ends_, root_, &segments);
  for (const auto& segment : segments) {
    path.segments.push_back(
        {rows_[segment.row], {segment.begin}, {segment.end}});
  }
  std::sort(path.segments.begin(), path.segments.end(),
            [](const PathSegment& a, const PathSegment& b) {
              return a.start < b.start;
            });
  return path;
}

std::vector<uint64_t> LinkedTrace::ChildTimes() {
  std::vector<uint64_t> times;
  tree_.ChildTimes(starts_, ends_, &times);
  return times;
}

std::vector<uint8_t> LinkedTrace::FailedBelow() const {
  std::vector<uint8_t> below(size());
  for (uint32_t i = 0; i < size(); ++i) {
    if (!failed(i)) continue;
    for (uint32_t up = parent(i); up != kNoRow && below[up] == 0;
         up = parent(up)) {
      below[up] = 1;
    }
  }
  return below;
}

}  // namespace khtrace::analysis
