// SPDX-License-Identifier: Apache-2.0
#include "codec/otlp_batch.h"

#include <algorithm>
#include <limits>

#include "wire/protobuf.h"

namespace khtrace::codec {
namespace {

using model::AttrType;
using model::AttrValue;
using telemetry::DropReason;

// Bytes of a request for each row that is made room for. Smaller: more memory
// that is never used; larger: more copies while decoding. Spans of real
// services take 300 to 600 bytes with 6 to 10 attributes.
constexpr size_t kBytesPerSpan = 300;
constexpr size_t kBytesPerAttribute = 48;
constexpr size_t kBytesPerString = 32;

bool Nests(AttrType type) {
  return type == AttrType::kArray || type == AttrType::kKvList;
}

uint32_t AddSaturating(uint32_t a, uint32_t b) {
  const uint32_t sum = a + b;
  return sum < a ? std::numeric_limits<uint32_t>::max() : sum;
}

// Whether `value` is well formed, nests at most `depth` levels and, in
// `bad_texts`, how many of its keys and strings are not UTF-8.
NestedFault Examine(const AttrValue& value, int depth, uint64_t* bad_texts) {
  if (value.type == AttrType::kString) {
    *bad_texts += !IsValidUtf8(value.bytes);
  }
  if (!Nests(value.type)) return NestedFault::kNone;
  if (depth <= 0) return NestedFault::kTooDeep;
  NestedFault fault = NestedFault::kNone;
  const bool parsed =
      ForEachNested(value, [&](std::string_view key, const AttrValue& element) {
        *bad_texts += !IsValidUtf8(key);
        fault = Examine(element, depth - 1, bad_texts);
        return fault == NestedFault::kNone;
      });
  return parsed ? fault : NestedFault::kMalformed;
}

// The ArrayValue or KeyValueList again, with every text made valid. `value`
// has passed Examine().
std::string Repaired(const AttrValue& value) {
  std::string out;
  wire::ProtoWriter writer(out);
  ForEachNested(value, [&](std::string_view key, const AttrValue& element) {
    std::string bytes(element.bytes);
    if (element.type == AttrType::kString) bytes = SanitizeUtf8(bytes);
    if (Nests(element.type)) bytes = Repaired(element);
    std::string any;
    model::AppendAnyValue({element.type, element.bits, bytes}, &any);
    if (value.type == AttrType::kArray) {
      writer.Bytes(1, any);
      return true;
    }
    const size_t begin = writer.Begin(1);
    writer.Bytes(1, SanitizeUtf8(key));
    writer.Bytes(2, any);
    writer.End(begin);
    return true;
  });
  return out;
}

}  // namespace

OtlpBatch::OtlpBatch(std::string text, const OtlpDecodeOptions& options)
    : options_(options),
      builder_(std::move(text)),
      data_(builder_.data()),
      text_(data_.text) {
  // Guesses, from the sizes of real spans; vectors that are too short only
  // grow. They save a third of the time to decode.
  ResizeSpans(text_.size() / kBytesPerSpan);
  seen_.resize(64);
  data_.attributes.reserve(text_.size() / kBytesPerAttribute);
  data_.strings.reserve(text_.size() / kBytesPerString + 1);
}

void OtlpBatch::ResizeSpans(size_t span_count) {
  model::SpanColumns& s = data_.spans;
  s.trace_id.resize(span_count);
  s.span_id.resize(span_count);
  s.parent_span_id.resize(span_count);
  s.start.resize(span_count);
  s.end.resize(span_count);
  s.name.resize(span_count);
  s.trace_state.resize(span_count);
  s.status_message.resize(span_count);
  s.scope.resize(span_count);
  s.kind.resize(span_count);
  s.status.resize(span_count);
  s.flags.resize(span_count);
  s.dropped_attributes.resize(span_count);
  s.dropped_events.resize(span_count);
  s.dropped_links.resize(span_count);
  s.attributes.resize(span_count);
  s.events_end.resize(span_count);
  s.links_end.resize(span_count);
  span_room_ = span_count;
}

void OtlpBatch::EndResource(const model::Resource& resource, const Mark& mark) {
  const size_t index = data_.resources.size() - 1;
  if (data_.scopes.empty() || data_.scopes.back().resource != index) {
    data_.resources.pop_back();
    RollBack(mark);
    return;
  }
  data_.resources.back() = resource;
}

void OtlpBatch::BeginScope() {
  model::Scope scope;
  scope.resource = static_cast<uint32_t>(data_.resources.size() - 1);
  data_.scopes.push_back(scope);
}

void OtlpBatch::EndScope(model::Scope scope, const Mark& mark) {
  const size_t index = data_.scopes.size() - 1;
  if (span_count_ == 0 || data_.spans.scope[span_count_ - 1] != index) {
    data_.scopes.pop_back();
    RollBack(mark);
    return;
  }
  scope.resource = data_.scopes.back().resource;
  data_.scopes.back() = scope;
}

model::StringCode OtlpBatch::AddRepaired(std::string_view text) {
  counts_.Add(DropReason::kInvalidUtf8);
  return builder_.AddString(SanitizeUtf8(text));
}

model::StringCode OtlpBatch::AddText(std::string_view text) {
  return IsValidUtf8(text) ? builder_.AddString(text) : AddRepaired(text);
}

// Makes room for `key`, which may be new.
model::KeyCode OtlpBatch::WithSeen(model::KeyCode key) {
  if (key >= seen_.size()) seen_.resize(2 * static_cast<size_t>(key) + 64);
  return key;
}

model::KeyCode OtlpBatch::NewBorrowedKey(std::string_view key) {
  // A repaired key is not cached, so that each of its repairs is counted; the
  // empty one is what free entries of the cache hold.
  if (key.empty() || !IsValidUtf8(key)) return CopiedKey(key);
  const model::KeyCode code = WithSeen(builder_.InternBorrowedKey(
      static_cast<uint32_t>(key.data() - text_.data()),
      static_cast<uint32_t>(key.size())));
  const KeyDigest digest = DigestOf(key);
  cached_keys_[CacheSlot(digest)] = {digest, key.data(), code};
  return code;
}

model::KeyCode OtlpBatch::CopiedKey(std::string_view key) {
  if (IsValidUtf8(key)) return WithSeen(builder_.InternKey(key));
  counts_.Add(DropReason::kInvalidUtf8);
  return WithSeen(builder_.InternKey(SanitizeUtf8(key)));
}

NestedFault OtlpBatch::CheckNested(const AttrValue& value,
                                   std::string* repaired) {
  uint64_t bad_texts = 0;
  const NestedFault fault =
      Examine(value, options_.max_attribute_depth, &bad_texts);
  if (fault == NestedFault::kNone && bad_texts > 0) {
    counts_.Add(DropReason::kInvalidUtf8, bad_texts);
    *repaired = Repaired(value);
  }
  return fault;
}

NestedFault OtlpBatch::AddBorrowedAttribute(std::string_view key,
                                            const AttrValue& value) {
  const model::KeyCode code = BorrowedKey(key);
  switch (value.type) {
    case AttrType::kString:
      Put(code, value.type, AddBorrowedText(value.bytes));
      return NestedFault::kNone;
    case AttrType::kBytes:
      Put(code, value.type, AddBorrowedBytes(value.bytes));
      return NestedFault::kNone;
    case AttrType::kArray:
    case AttrType::kKvList: {
      std::string repaired;
      const NestedFault fault = CheckNested(value, &repaired);
      if (fault != NestedFault::kNone) return fault;
      Put(code, value.type,
          repaired.empty() ? AddBorrowedBytes(value.bytes)
                           : AddBytes(repaired));
      return NestedFault::kNone;
    }
    default:
      Put(code, value.type, value.bits);
      return NestedFault::kNone;
  }
}

NestedFault OtlpBatch::AddAttribute(std::string_view key,
                                    const AttrValue& value) {
  const model::KeyCode code = CopiedKey(key);
  switch (value.type) {
    case AttrType::kString:
      Put(code, value.type, AddText(value.bytes));
      return NestedFault::kNone;
    case AttrType::kArray:
    case AttrType::kKvList: {
      std::string repaired;
      const NestedFault fault = CheckNested(value, &repaired);
      if (fault != NestedFault::kNone) return fault;
      Put(code, value.type,
          AddBytes(repaired.empty() ? value.bytes : repaired));
      return NestedFault::kNone;
    }
    case AttrType::kBytes:
      Put(code, value.type, AddBytes(value.bytes));
      return NestedFault::kNone;
    default:
      Put(code, value.type, value.bits);
      return NestedFault::kNone;
  }
}

model::AttrRange OtlpBatch::EndList(uint32_t* dropped_attributes) {
  if (list_cut_ > 0) [[unlikely]] {
    counts_.Add(DropReason::kTooManyAttributes, list_cut_);
    *dropped_attributes = AddSaturating(*dropped_attributes, list_cut_);
  }
  return {list_begin_, static_cast<uint32_t>(data_.attributes.size())};
}

void OtlpBatch::AddEvent(UnixNanos time, model::StringCode name,
                         model::AttrRange attributes,
                         uint32_t dropped_attributes) {
  model::EventColumns& events = data_.events;
  events.time.push_back(time);
  events.name.push_back(name);
  events.attributes.push_back(attributes);
  events.dropped_attributes.push_back(dropped_attributes);
}

void OtlpBatch::AddLink(const LinkRow& link, uint32_t* dropped_links) {
  const bool points = !link.trace_id.IsZero() && !link.span_id.IsZero();
  if (!points && link.attributes.size() == 0 && link.trace_state == 0) {
    counts_.Add(DropReason::kInvalidLink);
    *dropped_links = AddSaturating(*dropped_links, 1);
    return;
  }
  model::LinkColumns& links = data_.links;
  links.trace_id.push_back(link.trace_id);
  links.span_id.push_back(link.span_id);
  links.trace_state.push_back(link.trace_state);
  links.flags.push_back(link.flags);
  links.attributes.push_back(link.attributes);
  links.dropped_attributes.push_back(link.dropped_attributes);
}

void OtlpBatch::RollBack(const Mark& mark) {
  data_.attributes.resize(mark.attributes);
  model::EventColumns& events = data_.events;
  events.time.resize(mark.events);
  events.name.resize(mark.events);
  events.attributes.resize(mark.events);
  events.dropped_attributes.resize(mark.events);
  model::LinkColumns& links = data_.links;
  links.trace_id.resize(mark.links);
  links.span_id.resize(mark.links);
  links.trace_state.resize(mark.links);
  links.flags.resize(mark.links);
  links.attributes.resize(mark.links);
  links.dropped_attributes.resize(mark.links);
}

OtlpDecoded OtlpBatch::Finish() {
  ResizeSpans(span_count_);
  return {builder_.Build(), counts_, counts_.DropSummary()};
}

}  // namespace khtrace::codec
