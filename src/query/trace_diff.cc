// SPDX-License-Identifier: Apache-2.0
#include "query/trace_diff.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "query/trace_tree.h"

namespace khtrace::query {
namespace {

using model::AttrType;
using model::AttrValue;
using Span = DiffTrace::Span;

constexpr uint32_t kNone = DiffTrace::kNone;
constexpr std::string_view kService = "service.name";

// Two runs of the same work take about as long. Tempo's bounds.
constexpr double kDurationShare = 0.2;
constexpr double kDurationNanos = 1e6;
constexpr double kAmountShare = 0.05;

// Attributes that tell an amount, which is seldom the same twice (semantic
// conventions, current and former names). Sorted.
constexpr std::string_view kAmounts[] = {
    "app.jank.period",
    "file.size",
    "gen_ai.response.time_to_first_chunk",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.completion_tokens",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.prompt_tokens",
    "gen_ai.usage.reasoning.output_tokens",
    "http.request.body.size",
    "http.request.size",
    "http.request_content_length",
    "http.request_content_length_uncompressed",
    "http.response.body.size",
    "http.response.size",
    "http.response_content_length",
    "http.response_content_length_uncompressed",
    "message.compressed_size",
    "message.uncompressed_size",
    "messaging.message.body.size",
    "messaging.message.envelope.size",
    "rpc.message.compressed_size",
    "rpc.message.uncompressed_size",
};

std::optional<double> NumberOf(const AttrValue& value) {
  if (value.type == AttrType::kInt) return static_cast<double>(value.AsInt());
  if (value.type == AttrType::kDouble) return value.AsDouble();
  return std::nullopt;
}

bool Near(double a, double b, double share, double floor) {
  if (!std::isfinite(a) || !std::isfinite(b)) {
    return a == b || (std::isnan(a) && std::isnan(b));
  }
  const double greater = std::max(std::abs(a), std::abs(b));
  return std::abs(a - b) <= floor + share * greater;
}

bool SameValue(std::string_view key, const AttrValue& a, const AttrValue& b) {
  if (a == b) return true;
  const auto x = NumberOf(a);
  const auto y = NumberOf(b);
  if (!x || !y) return false;
  if (std::binary_search(std::begin(kAmounts), std::end(kAmounts), key)) {
    return Near(*x, *y, kAmountShare, 0);
  }
  // Integers beyond 2^53 are equal as doubles that are not.
  return a.type != b.type && *x == *y;
}

// What makes spans of two traces the same operation.
using Identity =
    std::tuple<std::string_view, std::string_view, model::SpanKind>;

Identity IdentityOf(const Span& span) {
  return {span.service, span.name, span.kind};
}

// Spans of the base that are not matched yet, by what they are: each is in two
// lists, and taken out of the second one when its turn comes.
class Candidates {
 public:
  explicit Candidates(const DiffTrace& base)
      : used_(base.spans().size(), false) {
    for (uint32_t i = 0; i < used_.size(); ++i) {
      const Span& span = base.spans()[i];
      by_identity_[IdentityOf(span)].push_back(i);
      if (span.parent == kNone) continue;
      by_parent_[{IdentityOf(span), IdentityOf(base.spans()[span.parent])}]
          .push_back(i);
    }
  }

  // kNone: there is none.
  uint32_t Take(const DiffTrace& compare, const Span& span) {
    uint32_t found = kNone;
    if (span.parent != kNone) {
      const auto known = by_parent_.find(
          {IdentityOf(span), IdentityOf(compare.spans()[span.parent])});
      if (known != by_parent_.end()) found = First(&known->second);
    }
    if (found == kNone) {
      const auto known = by_identity_.find(IdentityOf(span));
      if (known != by_identity_.end()) found = First(&known->second);
    }
    if (found != kNone) used_[found] = true;
    return found;
  }

  bool used(uint32_t span) const { return used_[span]; }

 private:
  uint32_t First(std::deque<uint32_t>* spans) {
    while (!spans->empty()) {
      const uint32_t first = spans->front();
      spans->pop_front();
      if (!used_[first]) return first;
    }
    return kNone;
  }

  std::vector<bool> used_;
  std::map<Identity, std::deque<uint32_t>> by_identity_;
  std::map<std::pair<Identity, Identity>, std::deque<uint32_t>> by_parent_;
};

// Of a key given twice the last value.
std::map<std::string_view, AttrValue> AttributesOf(const DiffTrace& trace,
                                                   const Span& span) {
  const model::SpanBatch& batch = trace.batch();
  std::map<std::string_view, AttrValue> attributes;
  for (const model::Attr& attr :
       batch.Attributes(batch.spans().attributes[span.row])) {
    attributes[batch.Key(attr.key)] = batch.Value(attr);
  }
  return attributes;
}

std::vector<AttributeChange> AttributeChanges(const DiffTrace& base,
                                              const Span& before,
                                              const DiffTrace& compare,
                                              const Span& after) {
  const auto old_values = AttributesOf(base, before);
  const auto new_values = AttributesOf(compare, after);
  std::vector<AttributeChange> changes;
  for (const auto& [key, value] : old_values) {
    const auto other = new_values.find(key);
    if (other == new_values.end()) {
      changes.push_back({key, value, std::nullopt});
    } else if (!SameValue(key, value, other->second)) {
      changes.push_back({key, value, other->second});
    }
  }
  for (const auto& [key, value] : new_values) {
    if (old_values.contains(key)) continue;
    changes.push_back({key, std::nullopt, value});
  }
  std::sort(changes.begin(), changes.end(),
            [](const AttributeChange& a, const AttributeChange& b) {
              return a.key < b.key;
            });
  return changes;
}

bool DurationChanged(const Span& a, const Span& b) {
  if (!a.duration || !b.duration) return a.duration != b.duration;
  return !Near(static_cast<double>(*a.duration),
               static_cast<double>(*b.duration), kDurationShare,
               kDurationNanos);
}

std::string_view ServiceOf(const model::SpanBatch& batch, model::RowIndex row) {
  const model::Attr* own = batch.Find(batch.spans().attributes[row], kService);
  if (own != nullptr && own->type == AttrType::kString) {
    const std::string_view name = batch.Value(*own).bytes;
    if (!name.empty()) return name;
  }
  return batch.ServiceName(row);
}

}  // namespace

DiffTrace::DiffTrace(const model::SpanBatch& batch) : batch_(&batch) {
  const TraceTree tree(batch);
  const model::SpanColumns& columns = batch.spans();
  std::vector<uint32_t> number_of(batch.row_count(), kNone);
  std::vector<uint32_t> children(batch.row_count());
  uint32_t roots = 0;
  spans_.reserve(batch.row_count());
  tree.ForEach([&](model::RowIndex row, uint32_t) {
    Span span;
    span.row = row;
    const model::RowIndex parent = tree.parent(row);
    if (parent != TraceTree::kNoRow) span.parent = number_of[parent];
    span.position = span.parent == kNone ? roots++ : children[span.parent]++;
    span.service = ServiceOf(batch, row);
    span.name = batch.String(columns.name[row]);
    span.kind = columns.kind[row];
    span.status = columns.status[row];
    const uint64_t start = columns.start[row].ns;
    const uint64_t end = columns.end[row].ns;
    if (start > 0 && end >= start) span.duration = end - start;
    number_of[row] = static_cast<uint32_t>(spans_.size());
    spans_.push_back(span);
  });
}

std::vector<uint32_t> DiffTrace::PathOf(uint32_t span) const {
  std::vector<uint32_t> path;
  for (uint32_t at = span; at != kNone; at = spans_[at].parent) {
    path.push_back(spans_[at].position);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

TraceDiff CompareTraces(const DiffTrace& base, const DiffTrace& compare) {
  TraceDiff diff;
  Candidates candidates(base);
  for (uint32_t i = 0; i < compare.spans().size(); ++i) {
    const Span& after = compare.spans()[i];
    const uint32_t match = candidates.Take(compare, after);
    if (match == kNone) {
      diff.added.push_back(i);
      continue;
    }
    ++diff.matched;
    const Span& before = base.spans()[match];
    ModifiedSpan change;
    change.base = match;
    change.compare = i;
    change.duration = DurationChanged(before, after);
    change.status = before.status != after.status;
    change.attributes = AttributeChanges(base, before, compare, after);
    const size_t fields = (change.duration ? 1 : 0) + (change.status ? 1 : 0);
    if (fields == 0 && change.attributes.empty()) continue;
    diff.field_changes += fields;
    diff.attribute_changes += change.attributes.size();
    diff.modified.push_back(std::move(change));
  }
  for (uint32_t i = 0; i < base.spans().size(); ++i) {
    if (!candidates.used(i)) diff.removed.push_back(i);
  }
  return diff;
}

}  // namespace khtrace::query
