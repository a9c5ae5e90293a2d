// SPDX-License-Identifier: Apache-2.0
// Copying rows from batch to batch: SpanBatchBuilder::AppendRow and Compact.
// Codes are translated through memo tables, so that a text is hashed once a
// source code, not once an occurrence.
#include "model/span_batch_builder.h"

namespace khtrace::model {

void SpanBatchBuilder::CheckMemo(const SpanBatch& source) {
  if (memo_.source == &source) return;
  memo_.source = &source;
  memo_.scope.assign(source.scopes().size(), 0);
  memo_.resource.assign(source.resources().size(), 0);
  memo_.key.assign(source.key_count(), 0);
  memo_.string.assign(source.string_count(), 0);
}

StringCode SpanBatchBuilder::CopyString(const SpanBatch& source,
                                        StringCode code) {
  if (code == 0) return 0;
  uint32_t& known = memo_.string[code];
  if (known == 0) known = AddUniqueString(source.String(code)) + 1;
  return known - 1;
}

AttrRange SpanBatchBuilder::CopyAttributes(const SpanBatch& source,
                                           AttrRange range) {
  const auto begin = static_cast<uint32_t>(data_.attributes.size());
  for (const Attr& attr : source.Attributes(range)) {
    uint32_t& key = memo_.key[attr.key];
    if (key == 0) key = InternKey(source.Key(attr.key)) + 1;
    uint64_t payload = attr.payload;
    switch (attr.type) {
      case AttrType::kString:
      case AttrType::kBytes:
      case AttrType::kArray:
      case AttrType::kKvList:
        payload = CopyString(source, static_cast<StringCode>(payload));
        break;
      default:
        break;
    }
    data_.attributes.push_back({key - 1, attr.type, payload});
  }
  return {begin, static_cast<uint32_t>(data_.attributes.size())};
}

uint32_t SpanBatchBuilder::CopyResource(const SpanBatch& source,
                                        uint32_t resource) {
  uint32_t& known = memo_.resource[resource];
  if (known == 0) {
    const Resource& from = source.resources()[resource];
    const AttrRange attributes = CopyAttributes(source, from.attributes);
    data_.resources.push_back({attributes, from.dropped_attributes,
                               CopyString(source, from.schema_url),
                               CopyString(source, from.entity_refs)});
    known = static_cast<uint32_t>(data_.resources.size());
  }
  return known - 1;
}

uint32_t SpanBatchBuilder::CopyScope(const SpanBatch& source, uint32_t scope) {
  uint32_t& known = memo_.scope[scope];
  if (known == 0) {
    const Scope& from = source.scopes()[scope];
    const uint32_t resource = CopyResource(source, from.resource);
    const AttrRange attributes = CopyAttributes(source, from.attributes);
    data_.scopes.push_back({resource, CopyString(source, from.name),
                            CopyString(source, from.version), attributes,
                            from.dropped_attributes,
                            CopyString(source, from.schema_url)});
    known = static_cast<uint32_t>(data_.scopes.size());
  }
  return known - 1;
}

void SpanBatchBuilder::CopyEvents(const SpanBatch& source, RowIndex row) {
  const EventColumns& from = source.events();
  EventColumns& to = data_.events;
  const AttrRange range = source.EventRange(row);
  for (uint32_t i = range.begin; i < range.end; ++i) {
    to.time.push_back(from.time[i]);
    to.name.push_back(CopyString(source, from.name[i]));
    to.attributes.push_back(CopyAttributes(source, from.attributes[i]));
    to.dropped_attributes.push_back(from.dropped_attributes[i]);
  }
  data_.spans.events_end.push_back(static_cast<uint32_t>(to.time.size()));
}

void SpanBatchBuilder::CopyLinks(const SpanBatch& source, RowIndex row) {
  const LinkColumns& from = source.links();
  LinkColumns& to = data_.links;
  const AttrRange range = source.LinkRange(row);
  for (uint32_t i = range.begin; i < range.end; ++i) {
    to.trace_id.push_back(from.trace_id[i]);
    to.span_id.push_back(from.span_id[i]);
    to.trace_state.push_back(CopyString(source, from.trace_state[i]));
    to.flags.push_back(from.flags[i]);
    to.attributes.push_back(CopyAttributes(source, from.attributes[i]));
    to.dropped_attributes.push_back(from.dropped_attributes[i]);
  }
  data_.spans.links_end.push_back(static_cast<uint32_t>(to.trace_id.size()));
}

void SpanBatchBuilder::AppendRow(const SpanBatch& source, RowIndex row) {
  CheckMemo(source);
  const SpanColumns& from = source.spans();
  const uint32_t scope = CopyScope(source, from.scope[row]);
  SpanColumns& to = data_.spans;
  to.trace_id.push_back(from.trace_id[row]);
  to.span_id.push_back(from.span_id[row]);
  to.parent_span_id.push_back(from.parent_span_id[row]);
  to.start.push_back(from.start[row]);
  to.end.push_back(from.end[row]);
  to.name.push_back(CopyString(source, from.name[row]));
  to.trace_state.push_back(CopyString(source, from.trace_state[row]));
  to.status_message.push_back(CopyString(source, from.status_message[row]));
  to.scope.push_back(scope);
  to.kind.push_back(from.kind[row]);
  to.status.push_back(from.status[row]);
  to.flags.push_back(from.flags[row]);
  to.dropped_attributes.push_back(from.dropped_attributes[row]);
  to.dropped_events.push_back(from.dropped_events[row]);
  to.dropped_links.push_back(from.dropped_links[row]);
  to.attributes.push_back(CopyAttributes(source, from.attributes[row]));
  CopyEvents(source, row);
  CopyLinks(source, row);
}

SpanBatch Compact(const SpanBatch& batch, std::span<const RowIndex> rows) {
  SpanBatchBuilder builder;
  const size_t count = rows.empty() ? batch.row_count() : rows.size();
  SpanColumns& s = builder.data().spans;
  s.trace_id.reserve(count);
  s.span_id.reserve(count);
  s.parent_span_id.reserve(count);
  s.start.reserve(count);
  s.end.reserve(count);
  s.name.reserve(count);
  s.trace_state.reserve(count);
  s.status_message.reserve(count);
  s.scope.reserve(count);
  s.kind.reserve(count);
  s.status.reserve(count);
  s.flags.reserve(count);
  s.dropped_attributes.reserve(count);
  s.dropped_events.reserve(count);
  s.dropped_links.reserve(count);
  s.attributes.reserve(count);
  s.events_end.reserve(count);
  s.links_end.reserve(count);
  if (rows.empty()) {
    builder.data().attributes.reserve(batch.data().attributes.size());
    for (RowIndex row = 0; row < batch.row_count(); ++row) {
      builder.AppendRow(batch, row);
    }
  } else {
    for (const RowIndex row : rows) builder.AppendRow(batch, row);
  }
  return builder.Build();
}

}  // namespace khtrace::model
