// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_assembler.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <type_traits>

#include "storage/columnar/encoding_bytes.h"

namespace khtrace::storage::columnar {
namespace {

using model::AttrRange;
using model::SpanBatch;
using F = ColumnField;

template <typename T>
T FromStored(uint64_t value) {
  if constexpr (std::is_class_v<T>) {
    return T{value};  // a time or an id
  } else {
    return static_cast<T>(value);
  }
}

}  // namespace

BatchAssembler::BatchAssembler(const PartFile& file)
    : file_(file), values_(file.footer().columns.size()) {
  data_.strings.push_back({});
}

Error BatchAssembler::Damaged(Table table, ColumnField field, size_t group,
                              std::string_view what) const {
  return file_.Locate({Code::kDataLoss, std::string(what)},
                      file_.Field(table, field), group);
}

template <typename T>
Status BatchAssembler::ReadField(const Rows& rows, ColumnField field,
                                 std::vector<T>* out) {
  std::vector<uint64_t> values;
  RETURN_IF_ERROR(file_.ReadInts(file_.Field(rows.table, field), rows.group,
                                 rows.first, rows.n, &values));
  if constexpr (sizeof(T) < sizeof(uint64_t)) {
    uint64_t all = 0;
    for (const uint64_t v : values) all |= v;
    if (all >> (8 * sizeof(T)) != 0) {
      return Damaged(rows.table, field, rows.group, "a value is out of range");
    }
  }
  out->resize(values.size());
  std::transform(values.begin(), values.end(), out->begin(),
                 [](uint64_t v) { return FromStored<T>(v); });
  return {};
}

Status BatchAssembler::ReadTextField(const Rows& rows, ColumnField field,
                                     std::vector<model::StringCode>* out) {
  const uint32_t column = file_.Field(rows.table, field);
  if (!Wants(column)) {
    out->assign(rows.n, 0);
    return {};
  }
  std::vector<uint64_t> codes;
  RETURN_IF_ERROR(
      ReadTextCodes(column, rows.group, rows.first, rows.n, &codes));
  out->assign(codes.begin(), codes.end());
  return {};
}

// A span's parent, where it is in the trace, lies some rows before or behind.
Status BatchAssembler::ReadParents(const Rows& rows,
                                   std::span<const uint64_t> trace_spans) {
  model::SpanColumns& s = data_.spans;
  std::vector<uint64_t> parents;
  RETURN_IF_ERROR(file_.ReadInts(file_.Field(Table::kSpan, F::kParent),
                                 rows.group, rows.first, rows.n, &parents));
  s.parent_span_id.resize(rows.n);
  size_t first = 0;
  for (const uint64_t spans : trace_spans) {
    for (uint64_t i = 0; i < spans; ++i) {
      const uint64_t code = parents[first + i];
      if (code < kFirstParentDistance) continue;
      const uint64_t parent = i - UnZigZag(code - kFirstParentDistance);
      if (parent >= spans) {
        return Damaged(Table::kSpan, F::kParent, rows.group,
                       "a parent outside its trace");
      }
      s.parent_span_id[first + i] = s.span_id[first + parent];
    }
    first += spans;
  }
  return ReadUnknownParents(rows, parents);
}

Status BatchAssembler::ReadUnknownParents(const Rows& rows,
                                          std::span<const uint64_t> parents) {
  const auto unknown = static_cast<uint32_t>(
      std::count(parents.begin(), parents.end(), kUnknownParent));
  if (unknown == 0) return {};
  // Their ids lie dense: count those of the rows before.
  std::vector<uint64_t> before;
  RETURN_IF_ERROR(file_.ReadInts(file_.Field(Table::kSpan, F::kParent),
                                 rows.group, 0, rows.first, &before));
  const auto skip = static_cast<uint32_t>(
      std::count(before.begin(), before.end(), kUnknownParent));
  const uint32_t column = file_.Field(Table::kSpan, F::kParentId);
  if (uint64_t{skip} + unknown >
      file_.column(column).chunks[rows.group].values) {
    return Damaged(Table::kSpan, F::kParentId, rows.group, "too few values");
  }
  std::vector<uint64_t> ids;
  RETURN_IF_ERROR(file_.ReadInts(column, rows.group, skip, unknown, &ids));
  size_t next = 0;
  for (size_t i = 0; i < parents.size(); ++i) {
    if (parents[i] == kUnknownParent) {
      data_.spans.parent_span_id[i] = {ids[next++]};
    }
  }
  return {};
}

Status BatchAssembler::ReadTraces(const TraceRange& range) {
  const Rows traces{Table::kTrace, range.group, range.first_trace,
                    range.traces};
  std::vector<uint64_t> high;
  std::vector<uint64_t> low;
  std::vector<uint64_t> starts;
  std::vector<uint64_t> spans;
  RETURN_IF_ERROR(ReadField(traces, F::kTraceIdHigh, &high));
  RETURN_IF_ERROR(ReadField(traces, F::kTraceIdLow, &low));
  RETURN_IF_ERROR(ReadField(traces, F::kTraceStart, &starts));
  RETURN_IF_ERROR(ReadField(traces, F::kSpans, &spans));
  const Rows rows{Table::kSpan, range.group, range.first_span, range.spans};
  model::SpanColumns& s = data_.spans;
  RETURN_IF_ERROR(ReadField(rows, F::kStart, &s.start));
  std::vector<uint64_t> durations;
  std::vector<uint64_t> end_before;
  RETURN_IF_ERROR(ReadField(rows, F::kDuration, &durations));
  RETURN_IF_ERROR(ReadField(rows, F::kEndBefore, &end_before));
  s.trace_id.resize(range.spans);
  s.end.resize(range.spans);
  size_t row = 0;
  for (size_t t = 0; t < spans.size(); ++t) {
    if (spans[t] > range.spans - row) {
      return Damaged(Table::kTrace, F::kSpans, range.group, "too many spans");
    }
    uint64_t start = starts[t];
    for (uint64_t i = 0; i < spans[t]; ++i, ++row) {
      start += s.start[row].ns;
      s.start[row] = {start};
      s.end[row] = {start + durations[row] - end_before[row]};
      s.trace_id[row] = {high[t], low[t]};
    }
  }
  if (row != range.spans) {
    return Damaged(Table::kTrace, F::kSpans, range.group, "too few spans");
  }
  return ReadParents(rows, spans);
}

Status BatchAssembler::ReadSpans(const Rows& rows) {
  model::SpanColumns& s = data_.spans;
  RETURN_IF_ERROR(ReadField(rows, F::kKind, &s.kind));
  RETURN_IF_ERROR(ReadField(rows, F::kStatus, &s.status));
  RETURN_IF_ERROR(ReadField(rows, F::kFlags, &s.flags));
  RETURN_IF_ERROR(
      ReadField(rows, F::kDroppedAttributes, &s.dropped_attributes));
  RETURN_IF_ERROR(ReadField(rows, F::kDroppedEvents, &s.dropped_events));
  RETURN_IF_ERROR(ReadField(rows, F::kDroppedLinks, &s.dropped_links));
  RETURN_IF_ERROR(ReadTextField(rows, F::kName, &s.name));
  RETURN_IF_ERROR(ReadTextField(rows, F::kStatusMessage, &s.status_message));
  RETURN_IF_ERROR(ReadTextField(rows, F::kTraceState, &s.trace_state));
  return ReadAttributes(rows, &s.attributes);
}

AttrRange BatchAssembler::CopyAttributes(const SpanBatch& scopes,
                                         AttrRange range) {
  const auto begin = static_cast<uint32_t>(data_.attributes.size());
  for (const model::Attr& attr : scopes.Attributes(range)) {
    const model::AttrValue value = scopes.Value(attr);
    const uint64_t payload =
        IsTextType(TypeOf(attr.type)) ? AddText(value.bytes) : attr.payload;
    data_.attributes.push_back(
        {KeyOf(scopes.Key(attr.key)), attr.type, payload});
  }
  return {begin, static_cast<uint32_t>(data_.attributes.size())};
}

uint32_t BatchAssembler::CopyResource(const SpanBatch& scopes,
                                      uint32_t resource,
                                      std::vector<uint32_t>* copied) {
  uint32_t& known = (*copied)[resource];
  if (known == 0) {
    const model::Resource& from = scopes.resources()[resource];
    data_.resources.push_back({CopyAttributes(scopes, from.attributes),
                               from.dropped_attributes,
                               AddText(scopes.String(from.schema_url)),
                               AddText(scopes.String(from.entity_refs))});
    known = static_cast<uint32_t>(data_.resources.size());
  }
  return known - 1;
}

Status BatchAssembler::ReadScopes(const Rows& rows, const SpanBatch& scopes) {
  std::vector<uint32_t>& column = data_.spans.scope;
  RETURN_IF_ERROR(ReadField(rows, F::kScope, &column));
  std::vector<uint32_t> copied(scopes.scopes().size());
  std::vector<uint32_t> copied_resources(scopes.resources().size());
  for (uint32_t& scope : column) {
    if (scope >= copied.size()) {
      return Damaged(Table::kSpan, F::kScope, rows.group, "no such scope");
    }
    uint32_t& known = copied[scope];
    if (known == 0) {
      const model::Scope& from = scopes.scopes()[scope];
      model::Scope to;
      to.resource = CopyResource(scopes, from.resource, &copied_resources);
      to.name = AddText(scopes.String(from.name));
      to.version = AddText(scopes.String(from.version));
      to.attributes = CopyAttributes(scopes, from.attributes);
      to.dropped_attributes = from.dropped_attributes;
      to.schema_url = AddText(scopes.String(from.schema_url));
      data_.scopes.push_back(to);
      known = static_cast<uint32_t>(data_.scopes.size());
    }
    scope = known - 1;
  }
  return {};
}

Status BatchAssembler::ReadEvents(const TraceRange& range) {
  const Rows spans{Table::kSpan, range.group, range.first_span, range.spans};
  std::vector<uint32_t>& ends = data_.spans.events_end;
  RETURN_IF_ERROR(ReadField(spans, F::kEvents, &ends));
  const Rows rows{Table::kEvent, range.group, range.first_event, range.events};
  model::EventColumns& e = data_.events;
  RETURN_IF_ERROR(ReadField(rows, F::kTime, &e.time));
  uint64_t end = 0;
  for (uint32_t row = 0; row < range.spans; ++row) {
    const uint64_t begin = end;
    end += ends[row];
    if (end > range.events) break;
    ends[row] = static_cast<uint32_t>(end);
    const uint64_t start = data_.spans.start[row].ns;
    for (uint64_t i = begin; i < end; ++i) {
      e.time[i] = {start + UnZigZag(e.time[i].ns)};
    }
  }
  if (end != range.events) {
    return Damaged(Table::kSpan, F::kEvents, range.group,
                   "differs from the number of events");
  }
  if (range.events == 0) return {};
  RETURN_IF_ERROR(ReadTextField(rows, F::kName, &e.name));
  RETURN_IF_ERROR(
      ReadField(rows, F::kDroppedAttributes, &e.dropped_attributes));
  return ReadAttributes(rows, &e.attributes);
}

Status BatchAssembler::ReadLinks(const TraceRange& range) {
  const Rows spans{Table::kSpan, range.group, range.first_span, range.spans};
  std::vector<uint32_t>& ends = data_.spans.links_end;
  RETURN_IF_ERROR(ReadField(spans, F::kLinks, &ends));
  uint64_t end = 0;
  for (uint32_t& count : ends) {
    end += count;
    if (end > range.links) break;
    count = static_cast<uint32_t>(end);
  }
  if (end != range.links) {
    return Damaged(Table::kSpan, F::kLinks, range.group,
                   "differs from the number of links");
  }
  if (range.links == 0) return {};
  const Rows rows{Table::kLink, range.group, range.first_link, range.links};
  model::LinkColumns& l = data_.links;
  std::vector<uint64_t> high;
  std::vector<uint64_t> low;
  RETURN_IF_ERROR(ReadField(rows, F::kTraceIdHigh, &high));
  RETURN_IF_ERROR(ReadField(rows, F::kTraceIdLow, &low));
  for (uint32_t i = 0; i < range.links; ++i) {
    l.trace_id.push_back({high[i], low[i]});
  }
  RETURN_IF_ERROR(ReadField(rows, F::kSpanId, &l.span_id));
  RETURN_IF_ERROR(ReadField(rows, F::kFlags, &l.flags));
  RETURN_IF_ERROR(
      ReadField(rows, F::kDroppedAttributes, &l.dropped_attributes));
  RETURN_IF_ERROR(ReadTextField(rows, F::kTraceState, &l.trace_state));
  return ReadAttributes(rows, &l.attributes);
}

Result<model::SpanBatchPtr> BatchAssembler::Assemble(const TraceRange& range,
                                                     const SpanBatch& scopes) {
  const Rows rows{Table::kSpan, range.group, range.first_span, range.spans};
  RETURN_IF_ERROR(ReadField(rows, F::kSpanId, &data_.spans.span_id));
  RETURN_IF_ERROR(ReadTraces(range));
  RETURN_IF_ERROR(ReadSpans(rows));
  RETURN_IF_ERROR(ReadScopes(rows, scopes));
  RETURN_IF_ERROR(ReadEvents(range));
  RETURN_IF_ERROR(ReadLinks(range));
  return std::make_shared<const SpanBatch>(std::move(data_));
}

Result<model::SpanBatchPtr> BatchAssembler::AssembleScopes() {
  const Footer& footer = file_.footer();
  const Rows resources{Table::kResource, 0, 0, footer.resources};
  std::vector<AttrRange> attributes;
  std::vector<uint32_t> dropped;
  std::vector<model::StringCode> urls;
  std::vector<model::StringCode> entities;
  RETURN_IF_ERROR(ReadAttributes(resources, &attributes));
  RETURN_IF_ERROR(ReadField(resources, F::kDroppedAttributes, &dropped));
  RETURN_IF_ERROR(ReadTextField(resources, F::kSchemaUrl, &urls));
  RETURN_IF_ERROR(ReadTextField(resources, F::kEntityRefs, &entities));
  for (uint32_t i = 0; i < footer.resources; ++i) {
    data_.resources.push_back(
        {attributes[i], dropped[i], urls[i], entities[i]});
  }
  const Rows scopes{Table::kScope, 0, 0, footer.scopes};
  std::vector<uint32_t> resource;
  std::vector<model::StringCode> names;
  std::vector<model::StringCode> versions;
  RETURN_IF_ERROR(ReadField(scopes, F::kResource, &resource));
  RETURN_IF_ERROR(ReadAttributes(scopes, &attributes));
  RETURN_IF_ERROR(ReadField(scopes, F::kDroppedAttributes, &dropped));
  RETURN_IF_ERROR(ReadTextField(scopes, F::kName, &names));
  RETURN_IF_ERROR(ReadTextField(scopes, F::kVersion, &versions));
  RETURN_IF_ERROR(ReadTextField(scopes, F::kSchemaUrl, &urls));
  for (uint32_t i = 0; i < footer.scopes; ++i) {
    if (resource[i] >= footer.resources) {
      return Damaged(Table::kScope, F::kResource, 0, "no such resource");
    }
    data_.scopes.push_back({resource[i], names[i], versions[i], attributes[i],
                            dropped[i], urls[i]});
  }
  return std::make_shared<const SpanBatch>(std::move(data_));
}

}  // namespace khtrace::storage::columnar
