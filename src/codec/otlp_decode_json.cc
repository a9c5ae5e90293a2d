// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <simdjson.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"
#include "codec/json_surrogates.h"
#include "codec/otlp.h"
#include "codec/otlp_batch.h"
#include "codec/otlp_entity_refs.h"
#include "codec/otlp_json_value.h"

// The messages of otlp_decode_protobuf.cc as proto3 JSON with ids in hex. Keys
// come in any order; of one that is repeated the last counts. A span's
// attributes, events and links are read after its other fields, and a group's
// own fields before its members, so that every list of attributes is one
// range.

namespace khtrace::codec {
namespace {

using Element = JsonValueReader::Element;
using OptionalElement = std::optional<Element>;
using EnumName = JsonValueReader::EnumName;
using telemetry::DropReason;

// Levels of JSON around an attribute's value, and for each level of nesting
// inside one: its object, "kvlistValue", "values", the key-value pair.
constexpr size_t kOuterDepth = 32;
constexpr size_t kDepthPerLevel = 4;

constexpr std::array<EnumName, 6> kKinds = {{
    {"SPAN_KIND_UNSPECIFIED", 0},
    {"SPAN_KIND_INTERNAL", 1},
    {"SPAN_KIND_SERVER", 2},
    {"SPAN_KIND_CLIENT", 3},
    {"SPAN_KIND_PRODUCER", 4},
    {"SPAN_KIND_CONSUMER", 5},
}};
constexpr std::array<EnumName, 3> kStatusCodes = {{
    {"STATUS_CODE_UNSET", 0},
    {"STATUS_CODE_OK", 1},
    {"STATUS_CODE_ERROR", 2},
}};

class Decoder {
 public:
  explicit Decoder(const OtlpDecodeOptions& options)
      : options_(options), batch_({}, options) {}

  Result<OtlpDecoded> Run(std::string_view body);

 private:
  // The lists of a span, found before they are read.
  struct SpanLists {
    OptionalElement attributes;
    OptionalElement events;
    OptionalElement links;
  };

  // False: reader_.error() says why the request is refused.
  bool ResourceSpans(Element json);
  bool ResourceFields(const OptionalElement& json, model::Resource* out);
  bool EntityRef(Element json, std::string* records);
  bool ScopeSpans(Element json);
  bool ScopeFields(const OptionalElement& json, model::Scope* out);
  bool Span(Element json);
  bool SpanField(std::string_view key, Element value, OtlpBatch::SpanRow* span,
                 SpanLists* lists);
  bool Status(Element json, OtlpBatch::SpanRow* span);
  bool Lists(const SpanLists& lists, OtlpBatch::SpanRow* span);
  bool Event(Element json);
  bool Link(Element json, uint32_t* dropped_links);
  // Sets too_deep_ if a value nests too deep.
  bool Attributes(const OptionalElement& json, model::AttrRange* range,
                  uint32_t* dropped);
  bool Time(Element json, std::string_view key, UnixNanos* out) {
    return reader_.Uint64(json, key, &out->ns);
  }
  bool Text(Element json, std::string_view key, model::StringCode* out);
  bool RefuseTooDeep(std::string_view where);

  const OtlpDecodeOptions& options_;
  OtlpBatch batch_;
  JsonValueReader reader_;
  bool too_deep_ = false;
};

Result<OtlpDecoded> Decoder::Run(std::string_view body) {
  // Malformed UTF-8 is no JSON. It is repaired all the same, as a whole,
  // because protobuf requests are repaired too.
  std::string repaired;
  if (!IsValidUtf8(body)) {
    batch_.counts().Add(DropReason::kInvalidUtf8);
    repaired = SanitizeUtf8(body);
    body = repaired;
  }
  simdjson::dom::parser parser;
  const size_t depth =
      kOuterDepth +
      kDepthPerLevel * static_cast<size_t>(options_.max_attribute_depth);
  Element root;
  simdjson::error_code code = parser.allocate(body.size(), depth);
  if (!code) code = parser.parse(body.data(), body.size()).get(root);
  if (code == simdjson::STRING_ERROR) {
    if (repaired.empty()) repaired = body;
    if (const uint64_t count = ReplaceLoneSurrogates(&repaired)) {
      batch_.counts().Add(DropReason::kInvalidUtf8, count);
      code = parser.parse(repaired.data(), repaired.size()).get(root);
    }
  }
  if (code) {
    return Error{Code::kInvalidArgument,
                 fmt::format("cannot decode OTLP/JSON: {}",
                             simdjson::error_message(code))};
  }
  const bool fine = reader_.Fields(
      root, "the request", [this](std::string_view key, Element value) {
        if (key != "resourceSpans") return true;
        return reader_.Items(
            value, key, [this](Element item) { return ResourceSpans(item); });
      });
  if (!fine) return reader_.error();
  return batch_.Finish();
}

bool Decoder::RefuseTooDeep(std::string_view where) {
  return reader_.Fail(
      fmt::format("an attribute of the {} nests deeper than {} levels", where,
                  options_.max_attribute_depth));
}

bool Decoder::Text(Element json, std::string_view key, model::StringCode* out) {
  std::string_view text;
  if (!reader_.String(json, key, &text)) return false;
  *out = batch_.AddText(text);
  return true;
}

bool Decoder::Attributes(const OptionalElement& json, model::AttrRange* range,
                         uint32_t* dropped) {
  batch_.BeginList();
  const bool fine =
      !json || reader_.Items(*json, "attributes", [&](Element item) {
        std::string_view key;
        model::AttrValue value;
        std::string storage;
        if (!reader_.KeyValue(item, &key, &value, &storage)) return false;
        // What we encoded ourselves is never malformed.
        if (batch_.AddAttribute(key, value) != NestedFault::kNone) {
          too_deep_ = true;
        }
        return true;
      });
  *range = batch_.EndList(dropped);
  return fine;
}

bool Decoder::ResourceSpans(Element json) {
  const OtlpBatch::Mark mark = batch_.mark();
  model::Resource resource;
  OptionalElement fields;
  OptionalElement scopes;
  const bool fine = reader_.Fields(
      json, "resourceSpans", [&](std::string_view key, Element value) {
        if (key == "resource") fields = value;
        if (key == "scopeSpans") scopes = value;
        return key != "schemaUrl" || Text(value, key, &resource.schema_url);
      });
  if (!fine || !ResourceFields(fields, &resource)) return false;
  batch_.BeginResource();
  if (scopes && !reader_.Items(*scopes, "scopeSpans", [this](Element item) {
        return ScopeSpans(item);
      })) {
    return false;
  }
  batch_.EndResource(resource, mark);
  return true;
}

bool Decoder::ResourceFields(const OptionalElement& json,
                             model::Resource* out) {
  if (!json) return true;
  OptionalElement attributes;
  std::string entity_refs;
  const bool fine = reader_.Fields(
      *json, "resource", [&](std::string_view key, Element value) {
        if (key == "attributes") {
          attributes = value;
        } else if (key == "droppedAttributesCount") {
          return reader_.Uint32(value, key, &out->dropped_attributes);
        } else if (key == "entityRefs") {
          return reader_.Items(value, key, [&](Element item) {
            return EntityRef(item, &entity_refs);
          });
        }
        return true;
      });
  if (!fine ||
      !Attributes(attributes, &out->attributes, &out->dropped_attributes)) {
    return false;
  }
  out->entity_refs = batch_.AddBytes(entity_refs);
  return !too_deep_ || RefuseTooDeep("resource");
}

bool Decoder::EntityRef(Element json, std::string* records) {
  codec::EntityRef ref;
  const auto texts = [this](Element list, std::string_view key, auto* out) {
    return reader_.Items(list, key, [&](Element item) {
      return reader_.String(item, key, &out->emplace_back());
    });
  };
  const bool fine = reader_.Fields(
      json, "entityRefs", [&](std::string_view key, Element value) {
        if (key == "schemaUrl") {
          return reader_.String(value, key, &ref.schema_url);
        }
        if (key == "type") return reader_.String(value, key, &ref.type);
        if (key == "idKeys") return texts(value, key, &ref.id_keys);
        if (key == "descriptionKeys") {
          return texts(value, key, &ref.description_keys);
        }
        return true;
      });
  if (fine) AppendEntityRef(ref, records);
  return fine;
}

bool Decoder::ScopeSpans(Element json) {
  const OtlpBatch::Mark mark = batch_.mark();
  model::Scope scope;
  OptionalElement fields;
  OptionalElement spans;
  const bool fine = reader_.Fields(
      json, "scopeSpans", [&](std::string_view key, Element value) {
        if (key == "scope") fields = value;
        if (key == "spans") spans = value;
        return key != "schemaUrl" || Text(value, key, &scope.schema_url);
      });
  if (!fine || !ScopeFields(fields, &scope)) return false;
  batch_.BeginScope();
  if (spans && !reader_.Items(*spans, "spans",
                              [this](Element item) { return Span(item); })) {
    return false;
  }
  batch_.EndScope(scope, mark);
  return true;
}

bool Decoder::ScopeFields(const OptionalElement& json, model::Scope* out) {
  if (!json) return true;
  OptionalElement attributes;
  const bool fine =
      reader_.Fields(*json, "scope", [&](std::string_view key, Element value) {
        if (key == "name") return Text(value, key, &out->name);
        if (key == "version") return Text(value, key, &out->version);
        if (key == "attributes") attributes = value;
        return key != "droppedAttributesCount" ||
               reader_.Uint32(value, key, &out->dropped_attributes);
      });
  if (!fine ||
      !Attributes(attributes, &out->attributes, &out->dropped_attributes)) {
    return false;
  }
  return !too_deep_ || RefuseTooDeep("scope");
}

bool Decoder::Span(Element json) {
  const OtlpBatch::Mark mark = batch_.mark();
  OtlpBatch::SpanRow span;
  SpanLists lists;
  const bool fine =
      reader_.Fields(json, "span", [&](std::string_view key, Element value) {
        return SpanField(key, value, &span, &lists);
      });
  if (!fine) return false;
  if (const auto fault = OtlpBatch::FaultOf(span)) {
    batch_.Drop(*fault, mark);
    return true;
  }
  if (!Lists(lists, &span)) return false;
  if (too_deep_) {
    too_deep_ = false;
    batch_.Drop(DropReason::kAttributeTooDeep, mark);
    return true;
  }
  batch_.PushSpan(span);
  return true;
}

bool Decoder::SpanField(std::string_view key, Element value,
                        OtlpBatch::SpanRow* span, SpanLists* lists) {
  if (key == "traceId") return reader_.Id(value, key, &span->trace_id);
  if (key == "spanId") return reader_.Id(value, key, &span->span_id);
  if (key == "parentSpanId") {
    return reader_.Id(value, key, &span->parent_span_id);
  }
  if (key == "name") return Text(value, key, &span->name);
  if (key == "kind") {
    uint8_t kind;
    if (!reader_.Enum(value, key, kKinds, &kind)) return false;
    span->kind = static_cast<model::SpanKind>(kind);
    return true;
  }
  if (key == "startTimeUnixNano") return Time(value, key, &span->start);
  if (key == "endTimeUnixNano") return Time(value, key, &span->end);
  if (key == "traceState") return Text(value, key, &span->trace_state);
  if (key == "status") return Status(value, span);
  if (key == "flags") return reader_.Uint32(value, key, &span->flags);
  if (key == "droppedAttributesCount") {
    return reader_.Uint32(value, key, &span->dropped_attributes);
  }
  if (key == "droppedEventsCount") {
    return reader_.Uint32(value, key, &span->dropped_events);
  }
  if (key == "droppedLinksCount") {
    return reader_.Uint32(value, key, &span->dropped_links);
  }
  if (key == "attributes") lists->attributes = value;
  if (key == "events") lists->events = value;
  if (key == "links") lists->links = value;
  return true;
}

bool Decoder::Status(Element json, OtlpBatch::SpanRow* span) {
  return reader_.Fields(json, "status",
                        [&](std::string_view key, Element value) {
                          if (key == "message")
                            return Text(value, key, &span->status_message);
                          if (key != "code") return true;
                          uint8_t code;
                          if (!reader_.Enum(value, key, kStatusCodes, &code))
                            return false;
                          span->status = static_cast<model::StatusCode>(code);
                          return true;
                        });
}

bool Decoder::Lists(const SpanLists& lists, OtlpBatch::SpanRow* span) {
  if (!Attributes(lists.attributes, &span->attributes,
                  &span->dropped_attributes)) {
    return false;
  }
  if (lists.events &&
      !reader_.Items(*lists.events, "events",
                     [this](Element item) { return Event(item); })) {
    return false;
  }
  return !lists.links ||
         reader_.Items(*lists.links, "links", [&](Element item) {
           return Link(item, &span->dropped_links);
         });
}

bool Decoder::Event(Element json) {
  UnixNanos time;
  model::StringCode name = 0;
  uint32_t dropped = 0;
  OptionalElement attributes;
  const bool fine =
      reader_.Fields(json, "event", [&](std::string_view key, Element value) {
        if (key == "timeUnixNano") return Time(value, key, &time);
        if (key == "name") return Text(value, key, &name);
        if (key == "attributes") attributes = value;
        return key != "droppedAttributesCount" ||
               reader_.Uint32(value, key, &dropped);
      });
  model::AttrRange range;
  if (!fine || !Attributes(attributes, &range, &dropped)) return false;
  batch_.AddEvent(time, name, range, dropped);
  return true;
}

bool Decoder::Link(Element json, uint32_t* dropped_links) {
  OtlpBatch::LinkRow link;
  OptionalElement attributes;
  const bool fine =
      reader_.Fields(json, "link", [&](std::string_view key, Element value) {
        if (key == "traceId") return reader_.Id(value, key, &link.trace_id);
        if (key == "spanId") return reader_.Id(value, key, &link.span_id);
        if (key == "traceState") return Text(value, key, &link.trace_state);
        if (key == "flags") return reader_.Uint32(value, key, &link.flags);
        if (key == "attributes") attributes = value;
        return key != "droppedAttributesCount" ||
               reader_.Uint32(value, key, &link.dropped_attributes);
      });
  if (!fine ||
      !Attributes(attributes, &link.attributes, &link.dropped_attributes)) {
    return false;
  }
  batch_.AddLink(link, dropped_links);
  return true;
}

}  // namespace

Result<OtlpDecoded> DecodeOtlpJson(std::string_view body,
                                   const OtlpDecodeOptions& options) {
  if (body.size() > kMaxOtlpBodyBytes) {
    return Error{Code::kResourceExhausted,
                 fmt::format("cannot decode OTLP/JSON: the request has {} "
                             "bytes, the limit is {}",
                             body.size(), kMaxOtlpBodyBytes)};
  }
  return Decoder(options).Run(body);
}

}  // namespace khtrace::codec
