// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <string_view>

#include "codec/otlp.h"
#include "codec/otlp_groups.h"
#include "wire/protobuf.h"

// Field numbers: see otlp_decode_protobuf.cc. Zero values are left out, as
// proto3 says; Resource and Scope are written even when empty, because not
// every reader checks whether they are there.

namespace khtrace::codec {
namespace {

using model::AttrType;
using model::AttrValue;
using model::RowIndex;
using model::SpanBatch;
using wire::ProtoWriter;

class Encoder {
 public:
  Encoder(const SpanBatch& batch, std::string* out) : batch_(batch), w_(*out) {}

  void Run() {
    for (const ResourceGroup& group : GroupRows(batch_)) Resource(group);
  }

 private:
  void Resource(const ResourceGroup& group);
  void Scope(const ScopeGroup& group);
  void Span(RowIndex row);
  void Event(uint32_t event);
  void Link(uint32_t link);
  void Attributes(uint32_t field, model::AttrRange range);
  void Value(const AttrValue& value);

  void Text(uint32_t field, model::StringCode code) {
    const std::string_view text = batch_.String(code);
    if (!text.empty()) w_.Bytes(field, text);
  }
  void Number(uint32_t field, uint64_t value) {
    if (value != 0) w_.Varint(field, value);
  }
  void Time(uint32_t field, UnixNanos time) {
    if (time.ns != 0) w_.Fixed64(field, time.ns);
  }
  void Id(uint32_t field, model::TraceId id) {
    char bytes[16];
    id.ToBytes(bytes);
    if (!id.IsZero()) w_.Bytes(field, {bytes, sizeof(bytes)});
  }
  void Id(uint32_t field, model::SpanId id) {
    char bytes[8];
    id.ToBytes(bytes);
    if (!id.IsZero()) w_.Bytes(field, {bytes, sizeof(bytes)});
  }

  const SpanBatch& batch_;
  ProtoWriter w_;
};

void Encoder::Resource(const ResourceGroup& group) {
  const model::Resource& resource = batch_.resources()[group.resource];
  const size_t outer = w_.Begin(1);
  const size_t inner = w_.Begin(1);
  Attributes(1, resource.attributes);
  Number(2, resource.dropped_attributes);
  w_.Records(batch_.String(resource.entity_refs));
  w_.End(inner);
  for (const ScopeGroup& scope : group.scopes) Scope(scope);
  Text(3, resource.schema_url);
  w_.End(outer);
}

void Encoder::Scope(const ScopeGroup& group) {
  const model::Scope& scope = batch_.scopes()[group.scope];
  const size_t outer = w_.Begin(2);
  const size_t inner = w_.Begin(1);
  Text(1, scope.name);
  Text(2, scope.version);
  Attributes(3, scope.attributes);
  Number(4, scope.dropped_attributes);
  w_.End(inner);
  for (const RowIndex row : group.rows) Span(row);
  Text(3, scope.schema_url);
  w_.End(outer);
}

void Encoder::Span(RowIndex row) {
  const model::SpanColumns& spans = batch_.spans();
  const size_t begin = w_.Begin(2);
  Id(1, spans.trace_id[row]);
  Id(2, spans.span_id[row]);
  Text(3, spans.trace_state[row]);
  Id(4, spans.parent_span_id[row]);
  Text(5, spans.name[row]);
  Number(6, static_cast<uint64_t>(spans.kind[row]));
  Time(7, spans.start[row]);
  Time(8, spans.end[row]);
  Attributes(9, spans.attributes[row]);
  Number(10, spans.dropped_attributes[row]);
  const model::AttrRange events = batch_.EventRange(row);
  for (uint32_t i = events.begin; i < events.end; ++i) Event(i);
  Number(12, spans.dropped_events[row]);
  const model::AttrRange links = batch_.LinkRange(row);
  for (uint32_t i = links.begin; i < links.end; ++i) Link(i);
  Number(14, spans.dropped_links[row]);
  const auto code = static_cast<uint64_t>(spans.status[row]);
  if (code != 0 || !batch_.String(spans.status_message[row]).empty()) {
    const size_t status = w_.Begin(15);
    Text(2, spans.status_message[row]);
    Number(3, code);
    w_.End(status);
  }
  if (spans.flags[row] != 0) w_.Fixed32(16, spans.flags[row]);
  w_.End(begin);
}

void Encoder::Event(uint32_t event) {
  const model::EventColumns& events = batch_.events();
  const size_t begin = w_.Begin(11);
  Time(1, events.time[event]);
  Text(2, events.name[event]);
  Attributes(3, events.attributes[event]);
  Number(4, events.dropped_attributes[event]);
  w_.End(begin);
}

void Encoder::Link(uint32_t link) {
  const model::LinkColumns& links = batch_.links();
  const size_t begin = w_.Begin(13);
  Id(1, links.trace_id[link]);
  Id(2, links.span_id[link]);
  Text(3, links.trace_state[link]);
  Attributes(4, links.attributes[link]);
  Number(5, links.dropped_attributes[link]);
  if (links.flags[link] != 0) w_.Fixed32(6, links.flags[link]);
  w_.End(begin);
}

void Encoder::Attributes(uint32_t field, model::AttrRange range) {
  for (const model::Attr& attr : batch_.Attributes(range)) {
    const size_t begin = w_.Begin(field);
    Text(1, batch_.data().keys[attr.key]);
    const size_t value = w_.Begin(2);
    Value(batch_.Value(attr));
    w_.End(value);
    w_.End(begin);
  }
}

void Encoder::Value(const AttrValue& value) {
  switch (value.type) {
    case AttrType::kEmpty:
      return;
    case AttrType::kString:
      w_.Bytes(1, value.bytes);
      return;
    case AttrType::kBool:
      w_.Varint(2, value.bits);
      return;
    case AttrType::kInt:
      w_.Varint(3, value.bits);
      return;
    case AttrType::kDouble:
      w_.Fixed64(4, value.bits);
      return;
    case AttrType::kArray:
      w_.Bytes(5, value.bytes);
      return;
    case AttrType::kKvList:
      w_.Bytes(6, value.bytes);
      return;
    case AttrType::kBytes:
      w_.Bytes(7, value.bytes);
      return;
  }
}

}  // namespace

void EncodeOtlpProtobuf(const SpanBatch& batch, std::string* out) {
  // An encoded span is about as large as the columns it comes from.
  out->reserve(out->size() + batch.data().text.size() +
               size_t{64} * batch.row_count());
  Encoder(batch, out).Run();
}

std::string EncodeOtlpResponseProtobuf(uint64_t rejected_spans,
                                       std::string_view message) {
  std::string out;
  if (rejected_spans == 0 && message.empty()) return out;
  ProtoWriter w(out);
  const size_t begin = w.Begin(1);
  if (rejected_spans != 0) w.Varint(1, rejected_spans);
  if (!message.empty()) w.Bytes(2, message);
  w.End(begin);
  return out;
}

}  // namespace khtrace::codec
