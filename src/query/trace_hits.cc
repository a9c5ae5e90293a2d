// SPDX-License-Identifier: Apache-2.0
#include "query/trace_hits.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <utility>

namespace khtrace::query {
namespace {

using storage::FrameField;
using traceql::Attribute;
using traceql::Intrinsic;
using traceql::Type;

Leaf ColumnLeaf(ColumnSet* columns, FrameField field, std::string key = {}) {
  Leaf leaf;
  leaf.type = Type::kInt;
  leaf.columns[0] = columns->Add(field, std::move(key));
  return leaf;
}

size_t BytesOf(const NamedValue& value) {
  const auto* text = std::get_if<std::string>(&value.value.value);
  return sizeof(NamedValue) + value.key.size() +
         (text != nullptr ? text->size() : 0);
}

size_t BytesOf(const SpanHit& span) {
  size_t bytes = sizeof(SpanHit) + span.name.size();
  for (const NamedValue& value : span.values) bytes += BytesOf(value);
  return bytes;
}

}  // namespace

Result<HitColumns> MakeHitColumns(const std::vector<Mention>& mentions,
                                  ColumnSet* columns) {
  HitColumns out;
  out.span_id = ColumnLeaf(columns, FrameField::kSpanId);
  out.name = ColumnLeaf(columns, FrameField::kName);
  out.start = ColumnLeaf(columns, FrameField::kStart);
  out.duration = ColumnLeaf(columns, FrameField::kDuration);
  out.status = ColumnLeaf(columns, FrameField::kStatus);
  out.service =
      ColumnLeaf(columns, FrameField::kResourceAttribute, "service.name");
  for (const Mention& mention : mentions) {
    if (ShownElsewhere(mention.attribute)) continue;
    HitColumns::Shown shown;
    shown.key = KeyOf(mention.attribute);
    shown.value.kind = Expr::Kind::kLeaf;
    shown.value.leaf = MakeLeaf(mention.attribute, columns);
    shown.value.events = shown.value.leaf.of_event();
    shown.value.links = shown.value.leaf.of_link();
    shown.shows_nil = mention.tested_for_nil;
    out.shown.push_back(std::move(shown));
  }
  return out;
}

Status HitMaker::Load(FrameEval& eval) {
  for (const Leaf* leaf :
       {&columns_.span_id, &columns_.name, &columns_.start, &columns_.duration,
        &columns_.status, &columns_.service}) {
    RETURN_IF_ERROR(eval.Load(*leaf));
  }
  for (const HitColumns::Shown& shown : columns_.shown) {
    RETURN_IF_ERROR(eval.Load(shown.value));
  }
  return eval.tree().Load();
}

std::string_view HitMaker::TextOf(FrameEval& eval, const Leaf& leaf,
                                  uint32_t row) const {
  return eval.ValueOf(leaf, row).text;
}

void HitMaker::AddServices(FrameEval& eval, uint32_t first, uint32_t end,
                           TraceHit* hit) {
  const std::vector<uint64_t>& status =
      eval.column(columns_.status.columns[0]).bits;
  const storage::FrameColumn& services =
      eval.column(columns_.service.columns[0]);
  if (services.form != storage::FrameColumn::Form::kCodes) {
    const auto errors = std::count(status.begin() + first, status.begin() + end,
                                   uint64_t(model::StatusCode::kError));
    hit->services.push_back({"", end - first, static_cast<uint32_t>(errors)});
    return;
  }
  struct Count {
    uint32_t spans = 0;
    uint32_t errors = 0;
  };
  boost::unordered_flat_map<uint32_t, Count> by_code;
  for (uint32_t row = first; row < end; ++row) {
    Count& count = by_code[services.codes[row]];
    ++count.spans;
    count.errors += status[row] == uint64_t(model::StatusCode::kError) ? 1 : 0;
  }
  std::map<std::string_view, Count> by_name;
  for (const auto& [code, own] : by_code) {
    const model::AttrValue& value = services.dictionary->values[code];
    const bool text = services.dictionary->present[code] != 0 &&
                      value.type == model::AttrType::kString;
    Count& count = by_name[text ? value.bytes : std::string_view()];
    count.spans += own.spans;
    count.errors += own.errors;
  }
  for (const auto& [name, count] : by_name) {
    hit->services.push_back({std::string(name), count.spans, count.errors});
  }
}

TraceHit HitMaker::MakeTrace(FrameEval& eval, uint32_t trace) {
  const storage::FrameTraces& traces = eval.tree().traces();
  TraceHit hit;
  hit.start = {traces.starts[trace]};
  hit.duration_nanos = traces.durations[trace];
  const uint32_t root = eval.tree().root_of(trace);
  hit.has_root = root != FrameTree::kNone;
  if (hit.has_root) {
    hit.root_name = TextOf(eval, columns_.name, root);
    hit.root_service = TextOf(eval, columns_.service, root);
  }
  AddServices(eval, traces.first_rows[trace], traces.first_rows[trace + 1],
              &hit);
  return hit;
}

SpanHit HitMaker::MakeSpan(FrameEval& eval, uint32_t row) const {
  SpanHit hit;
  hit.span_id = {eval.column(columns_.span_id.columns[0]).bits[row]};
  hit.name = TextOf(eval, columns_.name, row);
  hit.start = {eval.column(columns_.start.columns[0]).bits[row]};
  hit.duration_nanos = eval.column(columns_.duration.columns[0]).bits[row];
  for (const HitColumns::Shown& shown : columns_.shown) {
    const Value value = eval.ValueOf(shown.value, row);
    if (value.nil() && !shown.shows_nil) continue;
    hit.values.push_back({shown.key, ToStatic(value)});
  }
  return hit;
}

void HitMaker::AddSpansets(FrameEval& eval, const Spansets& sets,
                           uint32_t trace, size_t spans_per_spanset,
                           SizedHit* out) {
  const storage::FrameTraces& traces = eval.tree().traces();
  TraceHit& hit = out->hit;
  boost::unordered_flat_map<uint32_t, size_t> numbers;  // by segment
  for (uint32_t row = traces.first_rows[trace];
       row < traces.first_rows[trace + 1]; ++row) {
    if (sets.rows[row] == 0) continue;
    const uint32_t segment = sets.by_trace() ? 0 : sets.segment_of[row];
    const auto [at, added] = numbers.try_emplace(segment, hit.spansets.size());
    if (added) {
      Spanset& made = hit.spansets.emplace_back();
      if (!sets.by_trace()) made.values = sets.segments[segment].values;
    }
    Spanset& set = hit.spansets[at->second];
    ++set.matched;
    if (spans_per_spanset != 0 && set.spans.size() == spans_per_spanset) {
      continue;
    }
    set.spans.push_back(MakeSpan(eval, row));
    out->bytes += BytesOf(set.spans.back());
  }
  for (const Spanset& set : hit.spansets) {
    out->bytes += sizeof(Spanset);
    for (const NamedValue& value : set.values) out->bytes += BytesOf(value);
  }
}

Status HitMaker::Make(FrameEval& eval, const Spansets& sets,
                      std::span<const uint32_t> chosen,
                      size_t spans_per_spanset, size_t max_bytes,
                      std::vector<SizedHit>* out) {
  RETURN_IF_ERROR(Load(eval));
  ASSIGN_OR_RETURN(const std::vector<model::TraceId>* ids,
                   eval.frame().TraceIds());
  size_t bytes = 0;
  for (const uint32_t trace : chosen) {
    SizedHit& made = out->emplace_back();
    made.hit = MakeTrace(eval, trace);
    made.hit.trace_id = (*ids)[trace];
    made.bytes =
        sizeof(TraceHit) + made.hit.services.size() * sizeof(ServiceStats);
    AddSpansets(eval, sets, trace, spans_per_spanset, &made);
    bytes += made.bytes;
    if (bytes > max_bytes) break;
  }
  return {};
}

}  // namespace khtrace::query
