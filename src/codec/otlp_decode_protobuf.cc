// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "codec/otlp.h"
#include "codec/otlp_batch.h"
#include "codec/otlp_entity_refs.h"
#include "codec/otlp_key_value.h"
#include "codec/short_bytes.h"
#include "wire/protobuf.h"

// The messages and their fields (opentelemetry-proto v1.11):
//
//   ExportTraceServiceRequest  resource_spans 1 *
//   ResourceSpans   resource 1, scope_spans 2 *, schema_url 3
//   Resource        attributes 1 *, dropped_attributes_count 2, entity_refs 3 *
//   ScopeSpans      scope 1, spans 2 *, schema_url 3
//   Scope           name 1, version 2, attributes 3 *, dropped_attributes 4
//   Span            trace_id 1, span_id 2, trace_state 3, parent_span_id 4,
//                   name 5, kind 6, start 7 fixed64, end 8 fixed64,
//                   attributes 9 *, dropped_attributes 10, events 11 *,
//                   dropped_events 12, links 13 *, dropped_links 14,
//                   status 15, flags 16 fixed32
//   Event           time 1 fixed64, name 2, attributes 3 *, dropped 4
//   Link            trace_id 1, span_id 2, trace_state 3, attributes 4 *,
//                   dropped 5, flags 6 fixed32
//   Status          message 2, code 3
//   KeyValue        see otlp_key_value.h
//
// Fields come in any order and unknown ones are skipped. A span's events and
// links, and a group's own resource and scope, are decoded after the rest of
// their parent, so that every list of attributes is one range.

namespace khtrace::codec {
namespace {

using telemetry::DropReason;
using wire::ProtoReader;
using wire::WireType;

constexpr uint32_t F64(uint32_t field) {
  return ProtoReader::Tag(field, WireType::kFixed64);
}
constexpr uint32_t F32(uint32_t field) {
  return ProtoReader::Tag(field, WireType::kFixed32);
}

// How a part of the request ended.
enum class Step : uint8_t {
  kFine,
  kMalformed,  // its bytes do not follow the format
  kTooDeep,    // an attribute nests deeper than allowed
  kRefuse,     // error_ says why the whole request is refused
};

// Enums are one byte with us; what does not fit is no value of ours and
// counts as unspecified.
uint8_t EnumByte(uint64_t value) {
  return value <= UINT8_MAX ? static_cast<uint8_t>(value) : 0;
}

class Decoder {
 public:
  Decoder(std::string body, const OtlpDecodeOptions& options)
      : options_(options), batch_(std::move(body), options) {}

  Result<OtlpDecoded> Run();

 private:
  // One message each. Where a step is not kFine, columns may hold a part.
  Step ResourceSpans(std::string_view bytes);
  Step ResourceAttributes(std::string_view bytes, model::Resource* out,
                          std::string* entity_refs);
  Step ResourceFields(const std::vector<std::string_view>& messages,
                      model::Resource* out);
  Step ScopeSpans(std::string_view bytes);
  Step ScopeMessage(std::string_view bytes, model::Scope* out);
  Step ScopeFields(const std::vector<std::string_view>& messages,
                   model::Scope* out);
  Step Span(std::string_view bytes);
  Step SpanFields(std::string_view bytes, OtlpBatch::SpanRow* span);
  Step SpanChildren(OtlpBatch::SpanRow* span);
  Step Status(std::string_view bytes, OtlpBatch::SpanRow* span);
  Step Event(std::string_view bytes);
  Step Link(std::string_view bytes, uint32_t* dropped_links);
  Step KeyValue(std::string_view bytes);
  Step Attributes(const char* end, ProtoReader* r);

  Step TraceId(std::string_view bytes, model::TraceId* out);
  Step SpanId(std::string_view bytes, std::string_view what,
              model::SpanId* out);
  Step Refuse(std::string message) {
    error_ = {Code::kInvalidArgument, std::move(message)};
    return Step::kRefuse;
  }
  // What a fault outside of any span means.
  Step RefuseFor(Step step, std::string_view where);

  const OtlpDecodeOptions& options_;
  OtlpBatch batch_;
  Error error_{Code::kInvalidArgument, {}};
  OtlpBatch::SpanRow no_fields_;
  // Of the span at hand.
  std::vector<std::string_view> events_;
  std::vector<std::string_view> links_;
};

Result<OtlpDecoded> Decoder::Run() {
  ProtoReader r(batch_.text());
  Step step = Step::kFine;
  while (step == Step::kFine && r.Next()) {
    if (r.tag() == Len(1)) {
      step = ResourceSpans(r.Bytes());
    } else {
      r.Skip();
    }
  }
  if (step == Step::kFine && !r.ok()) step = Step::kMalformed;
  if (RefuseFor(step, "request") != Step::kFine) return std::move(error_);
  return batch_.Finish();
}

Step Decoder::RefuseFor(Step step, std::string_view where) {
  switch (step) {
    case Step::kFine:
    case Step::kRefuse:
      return step;
    case Step::kMalformed:
      return Refuse(fmt::format(
          "cannot decode OTLP: the {} is not a well-formed protobuf message",
          where));
    case Step::kTooDeep:
      break;
  }
  return Refuse(fmt::format(
      "cannot decode OTLP: an attribute of the {} nests deeper than {} levels",
      where, options_.max_attribute_depth));
}

Step Decoder::ResourceSpans(std::string_view bytes) {
  batch_.BeginResource();
  std::vector<std::string_view> resources;
  std::string_view schema_url;
  ProtoReader r(bytes);
  while (r.Next()) {
    switch (r.tag()) {
      case Len(1):
        resources.push_back(r.Bytes());
        break;
      case Len(2): {
        const Step step = ScopeSpans(r.Bytes());
        if (step != Step::kFine) return step;
        break;
      }
      case Len(3):
        schema_url = r.Bytes();
        break;
      default:
        r.Skip();
    }
  }
  if (!r.ok()) return RefuseFor(Step::kMalformed, "ResourceSpans");
  const OtlpBatch::Mark mark = batch_.mark();
  model::Resource resource;
  resource.schema_url = batch_.AddBorrowedText(schema_url);
  const Step step = RefuseFor(ResourceFields(resources, &resource), "resource");
  if (step != Step::kFine) return step;
  batch_.EndResource(resource, mark);
  return Step::kFine;
}

Step Decoder::ResourceFields(const std::vector<std::string_view>& messages,
                             model::Resource* out) {
  std::string entity_refs;
  batch_.BeginList();
  for (const std::string_view message : messages) {
    const Step step = ResourceAttributes(message, out, &entity_refs);
    if (step != Step::kFine) return step;
  }
  out->attributes = batch_.EndList(&out->dropped_attributes);
  out->entity_refs = batch_.AddBytes(entity_refs);
  return Step::kFine;
}

Step Decoder::ResourceAttributes(std::string_view bytes, model::Resource* out,
                                 std::string* entity_refs) {
  ProtoReader r(bytes);
  std::string records;
  while (r.Next()) {
    switch (r.tag()) {
      case Len(1): {
        const Step step = Attributes(bytes.data() + bytes.size(), &r);
        if (step != Step::kFine) return step;
        break;
      }
      case Var(2):
        out->dropped_attributes = static_cast<uint32_t>(r.Varint());
        break;
      case Len(3):
        wire::ProtoWriter(records).Bytes(3, r.Bytes());
        break;
      default:
        r.Skip();
    }
  }
  if (!r.ok()) return Step::kMalformed;
  const auto refs = ParseEntityRefs(records);
  if (!refs) return Step::kMalformed;
  for (const EntityRef& ref : *refs) {
    if (!HasValidUtf8(ref)) batch_.counts().Add(DropReason::kInvalidUtf8);
    AppendEntityRef(ref, entity_refs);
  }
  return Step::kFine;
}

Step Decoder::ScopeSpans(std::string_view bytes) {
  batch_.BeginScope();
  std::vector<std::string_view> scopes;
  std::string_view schema_url;
  ProtoReader r(bytes);
  while (r.Next()) {
    switch (r.tag()) {
      case Len(1):
        scopes.push_back(r.Bytes());
        break;
      case Len(2):
        if (Span(r.Bytes()) == Step::kRefuse) return Step::kRefuse;
        break;
      case Len(3):
        schema_url = r.Bytes();
        break;
      default:
        r.Skip();
    }
  }
  if (!r.ok()) return RefuseFor(Step::kMalformed, "ScopeSpans");
  const OtlpBatch::Mark mark = batch_.mark();
  model::Scope scope;
  scope.schema_url = batch_.AddBorrowedText(schema_url);
  const Step step = RefuseFor(ScopeFields(scopes, &scope), "scope");
  if (step != Step::kFine) return step;
  batch_.EndScope(scope, mark);
  return Step::kFine;
}

Step Decoder::ScopeFields(const std::vector<std::string_view>& messages,
                          model::Scope* out) {
  batch_.BeginList();
  for (const std::string_view message : messages) {
    const Step step = ScopeMessage(message, out);
    if (step != Step::kFine) return step;
  }
  out->attributes = batch_.EndList(&out->dropped_attributes);
  return Step::kFine;
}

Step Decoder::ScopeMessage(std::string_view bytes, model::Scope* out) {
  ProtoReader r(bytes);
  while (r.Next()) {
    switch (r.tag()) {
      case Len(1):
        out->name = batch_.AddBorrowedText(r.Bytes());
        break;
      case Len(2):
        out->version = batch_.AddBorrowedText(r.Bytes());
        break;
      case Len(3): {
        const Step step = KeyValue(r.Bytes());
        if (step != Step::kFine) return step;
        break;
      }
      case Var(4):
        out->dropped_attributes = static_cast<uint32_t>(r.Varint());
        break;
      default:
        r.Skip();
    }
  }
  return r.ok() ? Step::kFine : Step::kMalformed;
}

// Never kMalformed or kTooDeep: such a span is dropped here.
Step Decoder::Span(std::string_view bytes) {
  const OtlpBatch::Mark mark = batch_.mark();
  // Copied: g++ fills an object of this size with `rep stos`, 3 % of all.
  OtlpBatch::SpanRow span = no_fields_;
  events_.clear();
  links_.clear();
  Step step = SpanFields(bytes, &span);
  if (step == Step::kFine) {
    if (const auto fault = OtlpBatch::FaultOf(span)) [[unlikely]] {
      batch_.Drop(*fault, mark);
      return Step::kFine;
    }
    step = SpanChildren(&span);
  }
  switch (step) {
    case Step::kFine:
      batch_.PushSpan(span);
      return Step::kFine;
    case Step::kMalformed:
      batch_.Drop(DropReason::kMalformedSpan, mark);
      return Step::kFine;
    case Step::kTooDeep:
      batch_.Drop(DropReason::kAttributeTooDeep, mark);
      return Step::kFine;
    case Step::kRefuse:
      break;
  }
  return step;
}

// Takes off the front of a span the fields that every SDK writes there, in
// this order: ids, parent, name, kind, start, end. Stops at the first that is
// missing or of another form.
class UsualFields {
 public:
  explicit UsualFields(std::string_view bytes) : bytes_(bytes) {}

  std::string_view Take(OtlpBatch* batch, OtlpBatch::SpanRow* span) {
    if (!Begins(Len(1), 16, 18)) return bytes_;
    span->trace_id = model::TraceId::FromBytes(At(2));
    Skip(18);
    if (!Begins(Len(2), 8, 10)) return bytes_;
    span->span_id = model::SpanId::FromBytes(At(2));
    Skip(10);
    if (Begins(Len(4), 8, 10)) {
      span->parent_span_id = model::SpanId::FromBytes(At(2));
      Skip(10);
    }
    TakeName(batch, span);
    if (bytes_.size() >= 2 && ByteAt(bytes_, 0) == Var(6) &&
        ByteAt(bytes_, 1) < 0x80) {
      span->kind = static_cast<model::SpanKind>(ByteAt(bytes_, 1));
      Skip(2);
    }
    if (bytes_.size() >= 18 && ByteAt(bytes_, 0) == F64(7) &&
        ByteAt(bytes_, 9) == F64(8)) {
      std::memcpy(&span->start.ns, At(1), 8);
      std::memcpy(&span->end.ns, At(10), 8);
      Skip(18);
    }
    return bytes_;
  }

 private:
  // Whether the next record has this tag and size, and `total` bytes.
  bool Begins(uint32_t tag, size_t size, size_t total) const {
    return bytes_.size() >= total && ByteAt(bytes_, 0) == tag &&
           ByteAt(bytes_, 1) == size;
  }
  const char* At(size_t i) const { return bytes_.data() + i; }
  void Skip(size_t size) { bytes_.remove_prefix(size); }
  void TakeName(OtlpBatch* batch, OtlpBatch::SpanRow* span) {
    if (bytes_.size() < 2 || ByteAt(bytes_, 0) != Len(5)) return;
    const size_t size = ByteAt(bytes_, 1);
    if (size >= 0x80 || size + 2 > bytes_.size()) return;
    const std::string_view name = bytes_.substr(2, size);
    const bool short_ascii = size <= kShortBytes &&
                             bytes_.size() >= 2 + kShortBytes &&
                             IsShortAscii(name.data(), size);
    span->name = short_ascii ? batch->AddBorrowedBytes(name)
                             : batch->AddBorrowedText(name);
    Skip(2 + size);
  }

  std::string_view bytes_;
};

Step Decoder::SpanFields(std::string_view bytes, OtlpBatch::SpanRow* span) {
  const char* const end = bytes.data() + bytes.size();
  batch_.BeginList();
  Step step = Step::kFine;
  ProtoReader r(batch_.TakePlainAttributes(
      UsualFields(bytes).Take(&batch_, span), Len(9)));
  while (step == Step::kFine && r.Next()) {
    switch (r.tag()) {
      case Len(1):
        step = TraceId(r.Bytes(), &span->trace_id);
        break;
      case Len(2):
        step = SpanId(r.Bytes(), "span id", &span->span_id);
        break;
      case Len(3):
        span->trace_state = batch_.AddBorrowedText(r.Bytes());
        break;
      case Len(4):
        step = SpanId(r.Bytes(), "parent span id", &span->parent_span_id);
        break;
      case Len(5):
        span->name = batch_.AddBorrowedText(r.Bytes());
        break;
      case Var(6):
        span->kind = static_cast<model::SpanKind>(EnumByte(r.Varint()));
        break;
      case F64(7):
        span->start = {r.Fixed64()};
        break;
      case F64(8):
        span->end = {r.Fixed64()};
        break;
      case Len(9):
        step = Attributes(end, &r);
        break;
      case Var(10):
        span->dropped_attributes = static_cast<uint32_t>(r.Varint());
        break;
      case Len(11):
        events_.push_back(r.Bytes());
        break;
      case Var(12):
        span->dropped_events = static_cast<uint32_t>(r.Varint());
        break;
      case Len(13):
        links_.push_back(r.Bytes());
        break;
      case Var(14):
        span->dropped_links = static_cast<uint32_t>(r.Varint());
        break;
      case Len(15):
        step = Status(r.Bytes(), span);
        break;
      case F32(16):
        span->flags = r.Fixed32();
        break;
      default:
        r.Skip();
    }
  }
  if (step == Step::kFine && !r.ok()) step = Step::kMalformed;
  span->attributes = batch_.EndList(&span->dropped_attributes);
  return step;
}

Step Decoder::SpanChildren(OtlpBatch::SpanRow* span) {
  for (const std::string_view event : events_) {
    const Step step = Event(event);
    if (step != Step::kFine) return step;
  }
  for (const std::string_view link : links_) {
    const Step step = Link(link, &span->dropped_links);
    if (step != Step::kFine) return step;
  }
  return Step::kFine;
}

Step Decoder::Status(std::string_view bytes, OtlpBatch::SpanRow* span) {
  ProtoReader r(bytes);
  while (r.Next()) {
    switch (r.tag()) {
      case Len(2):
        span->status_message = batch_.AddBorrowedText(r.Bytes());
        break;
      case Var(3):
        span->status = static_cast<model::StatusCode>(EnumByte(r.Varint()));
        break;
      default:
        r.Skip();
    }
  }
  return r.ok() ? Step::kFine : Step::kMalformed;
}

Step Decoder::Event(std::string_view bytes) {
  UnixNanos time;
  model::StringCode name = 0;
  uint32_t dropped = 0;
  Step step = Step::kFine;
  const char* const end = bytes.data() + bytes.size();
  batch_.BeginList();
  ProtoReader r(bytes);
  while (step == Step::kFine && r.Next()) {
    switch (r.tag()) {
      case F64(1):
        time = {r.Fixed64()};
        break;
      case Len(2):
        name = batch_.AddBorrowedText(r.Bytes());
        break;
      case Len(3):
        step = Attributes(end, &r);
        break;
      case Var(4):
        dropped = static_cast<uint32_t>(r.Varint());
        break;
      default:
        r.Skip();
    }
  }
  if (step == Step::kFine && !r.ok()) step = Step::kMalformed;
  const model::AttrRange attributes = batch_.EndList(&dropped);
  batch_.AddEvent(time, name, attributes, dropped);
  return step;
}

Step Decoder::Link(std::string_view bytes, uint32_t* dropped_links) {
  OtlpBatch::LinkRow link;
  Step step = Step::kFine;
  batch_.BeginList();
  ProtoReader r(bytes);
  while (step == Step::kFine && r.Next()) {
    switch (r.tag()) {
      case Len(1):
        step = TraceId(r.Bytes(), &link.trace_id);
        break;
      case Len(2):
        step = SpanId(r.Bytes(), "span id", &link.span_id);
        break;
      case Len(3):
        link.trace_state = batch_.AddBorrowedText(r.Bytes());
        break;
      case Len(4):
        step = KeyValue(r.Bytes());
        break;
      case Var(5):
        link.dropped_attributes = static_cast<uint32_t>(r.Varint());
        break;
      case F32(6):
        link.flags = r.Fixed32();
        break;
      default:
        r.Skip();
    }
  }
  if (step == Step::kFine && !r.ok()) step = Step::kMalformed;
  link.attributes = batch_.EndList(&link.dropped_attributes);
  if (step == Step::kFine) batch_.AddLink(link, dropped_links);
  return step;
}

Step Decoder::KeyValue(std::string_view bytes) {
  switch (AddKeyValue(bytes, &batch_)) {
    case NestedFault::kNone:
      return Step::kFine;
    case NestedFault::kTooDeep:
      return Step::kTooDeep;
    case NestedFault::kMalformed:
      break;
  }
  return Step::kMalformed;
}

// The attribute that is the reader's record, and those behind it that need
// no closer look. `end`: of the message.
Step Decoder::Attributes(const char* end, ProtoReader* r) {
  const uint32_t tag = r->tag();
  const std::string_view record = r->Bytes();
  if (!r->ok()) return Step::kMalformed;
  const Step step = KeyValue(record);
  const char* const next = record.data() + record.size();
  *r = ProtoReader(batch_.TakePlainAttributes(
      {next, static_cast<size_t>(end - next)}, static_cast<uint8_t>(tag)));
  return step;
}

Step Decoder::TraceId(std::string_view bytes, model::TraceId* out) {
  if (bytes.size() == 16) [[likely]] {
    *out = model::TraceId::FromBytes(bytes.data());
    return Step::kFine;
  }
  *out = {};
  if (bytes.empty()) return Step::kFine;
  return Refuse(fmt::format(
      "cannot decode OTLP: a trace id has {} bytes, must be 16", bytes.size()));
}

Step Decoder::SpanId(std::string_view bytes, std::string_view what,
                     model::SpanId* out) {
  if (bytes.size() == 8) [[likely]] {
    *out = model::SpanId::FromBytes(bytes.data());
    return Step::kFine;
  }
  *out = {};
  if (bytes.empty()) return Step::kFine;
  return Refuse(fmt::format("cannot decode OTLP: a {} has {} bytes, must be 8",
                            what, bytes.size()));
}

}  // namespace

Result<OtlpDecoded> DecodeOtlpProtobuf(std::string body,
                                       const OtlpDecodeOptions& options) {
  if (body.size() > kMaxOtlpBodyBytes) {
    return Error{Code::kResourceExhausted,
                 fmt::format("cannot decode OTLP: the request has {} bytes, "
                             "the limit is {}",
                             body.size(), kMaxOtlpBodyBytes)};
  }
  return Decoder(std::move(body), options).Run();
}

}  // namespace khtrace::codec
