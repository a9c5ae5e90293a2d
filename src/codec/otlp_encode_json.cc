// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <string>
#include <string_view>

#include "base/text.h"
#include "codec/otlp.h"
#include "codec/otlp_entity_refs.h"
#include "codec/otlp_groups.h"
#include "wire/json_writer.h"

// proto3 JSON of the messages in otlp_decode_protobuf.cc: lowerCamelCase keys,
// 64-bit integers in quotes, bytes in base64, zero values left out. "resource",
// "scope" and "status" are written even when empty: browsers' readers take
// them for granted.

namespace khtrace::codec {
namespace {

using model::AttrType;
using model::AttrValue;
using model::RowIndex;
using model::SpanBatch;

constexpr std::array<std::string_view, 6> kKindNames = {
    "SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",      "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER",
};
constexpr std::array<std::string_view, 3> kStatusNames = {
    "STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"};

class Encoder {
 public:
  Encoder(const SpanBatch& batch, OtlpJsonStyle style, std::string* out)
      : batch_(batch), style_(style), w_(out) {}

  void Run() {
    w_.BeginArray();
    for (const ResourceGroup& group : GroupRows(batch_)) Resource(group);
    w_.EndArray();
  }

 private:
  void Resource(const ResourceGroup& group);
  void EntityRefs(std::string_view records);
  void Scope(const ScopeGroup& group);
  void Span(RowIndex row);
  void Children(RowIndex row);
  void Event(uint32_t event);
  void Link(uint32_t link);
  void Attributes(model::AttrRange range);
  void KeyValue(std::string_view key, const AttrValue& value);
  void Value(const AttrValue& value);
  void Nested(const AttrValue& value);

  void Text(std::string_view key, model::StringCode code) {
    const std::string_view text = batch_.String(code);
    if (text.empty()) return;
    w_.Key(key);
    w_.String(text);
  }
  void Number(std::string_view key, uint32_t value) {
    if (value == 0) return;
    w_.Key(key);
    w_.Uint(value);
  }
  void Time(std::string_view key, UnixNanos time) {
    if (time.ns == 0) return;
    w_.Key(key);
    w_.QuotedUint(time.ns);
  }
  template <typename Id>
  void WriteId(std::string_view key, Id id);
  template <size_t kCount>
  void Enum(std::string_view key, uint8_t value,
            const std::array<std::string_view, kCount>& names) {
    if (value == 0) return;
    w_.Key(key);
    if (style_ == OtlpJsonStyle::kTempo && value < kCount) {
      w_.String(names[value]);
    } else {
      w_.Uint(value);
    }
  }

  const SpanBatch& batch_;
  const OtlpJsonStyle style_;
  wire::JsonWriter w_;
};

template <typename Id>
void Encoder::WriteId(std::string_view key, Id id) {
  if (id.IsZero()) return;
  char bytes[sizeof(Id)];
  id.ToBytes(bytes);
  w_.Key(key);
  if (style_ == OtlpJsonStyle::kTempo) {
    w_.String(Base64Encode({bytes, sizeof(bytes)}));
    return;
  }
  constexpr char kDigits[] = "0123456789abcdef";
  char hex[2 * sizeof(Id)];
  for (size_t i = 0; i < sizeof(Id); ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    hex[2 * i] = kDigits[byte >> 4];
    hex[2 * i + 1] = kDigits[byte & 15];
  }
  w_.String({hex, sizeof(hex)});
}

void Encoder::Resource(const ResourceGroup& group) {
  const model::Resource& resource = batch_.resources()[group.resource];
  w_.BeginObject();
  w_.Key("resource");
  w_.BeginObject();
  Attributes(resource.attributes);
  Number("droppedAttributesCount", resource.dropped_attributes);
  EntityRefs(batch_.String(resource.entity_refs));
  w_.EndObject();
  w_.Key("scopeSpans");
  w_.BeginArray();
  for (const ScopeGroup& scope : group.scopes) Scope(scope);
  w_.EndArray();
  Text("schemaUrl", resource.schema_url);
  w_.EndObject();
}

void Encoder::EntityRefs(std::string_view records) {
  if (records.empty()) return;
  const auto refs = ParseEntityRefs(records);
  if (!refs) return;
  const auto strings = [this](std::string_view key, const auto& texts) {
    if (texts.empty()) return;
    w_.Key(key);
    w_.BeginArray();
    for (const std::string_view text : texts) w_.String(text);
    w_.EndArray();
  };
  const auto string = [this](std::string_view key, std::string_view text) {
    if (text.empty()) return;
    w_.Key(key);
    w_.String(text);
  };
  w_.Key("entityRefs");
  w_.BeginArray();
  for (const EntityRef& ref : *refs) {
    w_.BeginObject();
    string("schemaUrl", ref.schema_url);
    string("type", ref.type);
    strings("idKeys", ref.id_keys);
    strings("descriptionKeys", ref.description_keys);
    w_.EndObject();
  }
  w_.EndArray();
}

void Encoder::Scope(const ScopeGroup& group) {
  const model::Scope& scope = batch_.scopes()[group.scope];
  w_.BeginObject();
  w_.Key("scope");
  w_.BeginObject();
  Text("name", scope.name);
  Text("version", scope.version);
  Attributes(scope.attributes);
  Number("droppedAttributesCount", scope.dropped_attributes);
  w_.EndObject();
  w_.Key("spans");
  w_.BeginArray();
  for (const RowIndex row : group.rows) Span(row);
  w_.EndArray();
  Text("schemaUrl", scope.schema_url);
  w_.EndObject();
}

void Encoder::Span(RowIndex row) {
  const model::SpanColumns& spans = batch_.spans();
  w_.BeginObject();
  WriteId("traceId", spans.trace_id[row]);
  WriteId("spanId", spans.span_id[row]);
  Text("traceState", spans.trace_state[row]);
  WriteId("parentSpanId", spans.parent_span_id[row]);
  Text("name", spans.name[row]);
  Enum("kind", static_cast<uint8_t>(spans.kind[row]), kKindNames);
  Time("startTimeUnixNano", spans.start[row]);
  Time("endTimeUnixNano", spans.end[row]);
  Attributes(spans.attributes[row]);
  Number("droppedAttributesCount", spans.dropped_attributes[row]);
  Children(row);
  w_.Key("status");
  w_.BeginObject();
  Text("message", spans.status_message[row]);
  Enum("code", static_cast<uint8_t>(spans.status[row]), kStatusNames);
  w_.EndObject();
  Number("flags", spans.flags[row]);
  w_.EndObject();
}

void Encoder::Children(RowIndex row) {
  const model::AttrRange events = batch_.EventRange(row);
  if (events.size() > 0) {
    w_.Key("events");
    w_.BeginArray();
    for (uint32_t i = events.begin; i < events.end; ++i) Event(i);
    w_.EndArray();
  }
  Number("droppedEventsCount", batch_.spans().dropped_events[row]);
  const model::AttrRange links = batch_.LinkRange(row);
  if (links.size() > 0) {
    w_.Key("links");
    w_.BeginArray();
    for (uint32_t i = links.begin; i < links.end; ++i) Link(i);
    w_.EndArray();
  }
  Number("droppedLinksCount", batch_.spans().dropped_links[row]);
}

void Encoder::Event(uint32_t event) {
  const model::EventColumns& events = batch_.events();
  w_.BeginObject();
  Time("timeUnixNano", events.time[event]);
  Text("name", events.name[event]);
  Attributes(events.attributes[event]);
  Number("droppedAttributesCount", events.dropped_attributes[event]);
  w_.EndObject();
}

void Encoder::Link(uint32_t link) {
  const model::LinkColumns& links = batch_.links();
  w_.BeginObject();
  WriteId("traceId", links.trace_id[link]);
  WriteId("spanId", links.span_id[link]);
  Text("traceState", links.trace_state[link]);
  Attributes(links.attributes[link]);
  Number("droppedAttributesCount", links.dropped_attributes[link]);
  Number("flags", links.flags[link]);
  w_.EndObject();
}

void Encoder::Attributes(model::AttrRange range) {
  if (range.size() == 0) return;
  w_.Key("attributes");
  w_.BeginArray();
  for (const model::Attr& attr : batch_.Attributes(range)) {
    KeyValue(batch_.Key(attr.key), batch_.Value(attr));
  }
  w_.EndArray();
}

void Encoder::KeyValue(std::string_view key, const AttrValue& value) {
  w_.BeginObject();
  w_.Key("key");
  w_.String(key);
  w_.Key("value");
  Value(value);
  w_.EndObject();
}

void Encoder::Value(const AttrValue& value) {
  w_.BeginObject();
  switch (value.type) {
    case AttrType::kEmpty:
      break;
    case AttrType::kString:
      w_.Key("stringValue");
      w_.String(value.bytes);
      break;
    case AttrType::kBool:
      w_.Key("boolValue");
      w_.Bool(value.AsBool());
      break;
    case AttrType::kInt:
      w_.Key("intValue");
      w_.QuotedInt(value.AsInt());
      break;
    case AttrType::kDouble:
      w_.Key("doubleValue");
      w_.Double(value.AsDouble());
      break;
    case AttrType::kArray:
      w_.Key("arrayValue");
      Nested(value);
      break;
    case AttrType::kKvList:
      w_.Key("kvlistValue");
      Nested(value);
      break;
    case AttrType::kBytes:
      w_.Key("bytesValue");
      w_.String(Base64Encode(value.bytes));
      break;
  }
  w_.EndObject();
}

// Recursion ends: decoders limit the depth of what they let in.
void Encoder::Nested(const AttrValue& value) {
  w_.BeginObject();
  w_.Key("values");
  w_.BeginArray();
  ForEachNested(value, [&](std::string_view key, const AttrValue& element) {
    if (value.type == AttrType::kArray) {
      Value(element);
    } else {
      KeyValue(key, element);
    }
    return true;
  });
  w_.EndArray();
  w_.EndObject();
}

}  // namespace

void EncodeOtlpJson(const SpanBatch& batch, OtlpJsonStyle style,
                    std::string* out) {
  Encoder(batch, style, out).Run();
}

std::string EncodeOtlpResponseJson(uint64_t rejected_spans,
                                   std::string_view message) {
  std::string out;
  wire::JsonWriter w(&out);
  w.BeginObject();
  w.Key("partialSuccess");
  w.BeginObject();
  if (rejected_spans != 0) {
    w.Key("rejectedSpans");
    w.QuotedUint(rejected_spans);
  }
  if (!message.empty()) {
    w.Key("errorMessage");
    w.String(message);
  }
  w.EndObject();
  w.EndObject();
  return out;
}

}  // namespace khtrace::codec
