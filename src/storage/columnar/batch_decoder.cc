// SPDX-License-Identifier: Apache-2.0
// Reads the layout of docs/format/wal.md, section "Batch". Nothing is
// allocated for a count that the bytes left cannot hold.
#include <fmt/format.h>

#include <limits>
#include <vector>

#include "storage/columnar/batch_format.h"
#include "storage/columnar/batch_layout.h"
#include "storage/columnar/encoding_bytes.h"

namespace khtrace::storage::columnar {
namespace {

using model::Attr;
using model::AttrRange;
using model::AttrType;
using model::KeyCode;
using model::SpanBatch;
using model::SpanId;
using model::StringCode;
using model::TraceId;

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : in_(bytes) {}

  Result<SpanBatch> Run();

 private:
  // The keys and types of one owner's attributes, in shape_parts_.
  struct Shape {
    uint32_t begin = 0;
    uint32_t size = 0;
  };
  struct ShapePart {
    KeyCode key;
    AttrType type;
  };

  // Every step answers false when the bytes are malformed.
  bool Counts();
  bool Texts();
  bool Groups();
  bool Spans();
  bool Traces();
  bool SpanIds();
  bool Parents();
  bool Times();
  bool Events();
  bool Links();

  // A count of things that take `least_bytes` each.
  bool Count(uint32_t* count, size_t least_bytes) {
    const uint64_t value = in_.Varint();
    if (!in_.ok() || value > in_.remaining() / least_bytes ||
        value > kMaxCount) {
      return false;
    }
    *count = static_cast<uint32_t>(value);
    return true;
  }
  bool Below(uint64_t value, uint64_t bound) {
    return in_.ok() && value < bound;
  }
  TraceId Trace() {
    const uint64_t high = in_.U64();
    return {high, in_.U64()};
  }
  bool Ref(StringCode* code);
  bool Attributes(AttrRange* range);
  bool ReadShape(Shape* shape);

  template <typename T>
  bool Column(size_t count, std::vector<T>* values);
  bool Refs(size_t count, std::vector<StringCode>* codes);
  bool AttributeColumn(size_t count, std::vector<AttrRange>* ranges);
  bool ChildEnds(uint32_t total, std::vector<uint32_t>* ends);

  static constexpr uint64_t kMaxCount = std::numeric_limits<int32_t>::max();

  ByteReader in_;
  uint64_t version_ = 0;
  uint32_t rows_ = 0;
  uint32_t event_count_ = 0;
  uint32_t link_count_ = 0;
  uint32_t attribute_count_ = 0;
  StringCode next_code_ = 1;
  std::vector<Shape> shapes_;
  std::vector<ShapePart> shape_parts_;
  model::SpanBatchData data_;
};

Result<SpanBatch> Decoder::Run() {
  version_ = in_.Varint();
  if (version_ > kBatchVersion) {
    return Error{Code::kUnimplemented,
                 fmt::format("batch version {} is newer than {}, the newest "
                             "that this program reads",
                             version_, kBatchVersion)};
  }
  if (!(version_ == kBatchVersion && Counts() && Texts() && Groups() &&
        Spans() && Events() && Links() && in_.ok() && in_.remaining() == 0 &&
        data_.attributes.size() == attribute_count_)) {
    return Error{Code::kDataLoss, "malformed batch"};
  }
  return SpanBatch(std::move(data_));
}

bool Decoder::Counts() {
  uint32_t scopes = 0;
  uint32_t resources = 0;
  uint32_t keys = 0;
  uint32_t strings = 0;
  // The least bytes of each are those of its fields that are never elided.
  if (!(Count(&rows_, 8) && Count(&event_count_, 1) &&
        Count(&link_count_, 24) && Count(&scopes, 6) && Count(&resources, 4) &&
        Count(&attribute_count_, 1) && Count(&keys, 1) && Count(&strings, 1))) {
    return false;
  }
  data_.scopes.resize(scopes);
  data_.resources.resize(resources);
  data_.keys.resize(keys);
  data_.strings.resize(size_t{strings} + 1);
  data_.attributes.reserve(attribute_count_);
  return true;
}

bool Decoder::Texts() {
  uint64_t offset = 0;
  for (size_t i = 1; i < data_.strings.size(); ++i) {
    const uint64_t size = in_.Varint();
    if (!Below(size, kMaxCount) || offset + size > kMaxCount) return false;
    data_.strings[i] = {static_cast<uint32_t>(offset),
                        static_cast<uint32_t>(size)};
    offset += size;
  }
  data_.text = in_.Bytes(offset);
  for (StringCode& key : data_.keys) {
    const uint64_t code = in_.Varint();
    if (!Below(code, data_.strings.size())) return false;
    key = static_cast<StringCode>(code);
  }
  return in_.ok();
}

bool Decoder::Groups() {
  for (model::Resource& resource : data_.resources) {
    resource.dropped_attributes = static_cast<uint32_t>(in_.Varint());
    if (!(Ref(&resource.schema_url) && Ref(&resource.entity_refs) &&
          Attributes(&resource.attributes))) {
      return false;
    }
  }
  for (model::Scope& scope : data_.scopes) {
    const uint64_t resource = in_.Varint();
    if (!Below(resource, data_.resources.size())) return false;
    scope.resource = static_cast<uint32_t>(resource);
    scope.dropped_attributes = static_cast<uint32_t>(in_.Varint());
    if (!(Ref(&scope.name) && Ref(&scope.version) && Ref(&scope.schema_url) &&
          Attributes(&scope.attributes))) {
      return false;
    }
  }
  return in_.ok();
}

bool Decoder::Spans() {
  model::SpanColumns& s = data_.spans;
  if (!(Traces() && SpanIds() && Parents() && Times() && Refs(rows_, &s.name) &&
        Refs(rows_, &s.trace_state) && Refs(rows_, &s.status_message) &&
        Column(rows_, &s.scope))) {
    return false;
  }
  for (const uint32_t scope : s.scope) {
    if (scope >= data_.scopes.size()) return false;
  }
  return Column(rows_, &s.kind) && Column(rows_, &s.status) &&
         Column(rows_, &s.flags) && Column(rows_, &s.dropped_attributes) &&
         Column(rows_, &s.dropped_events) && Column(rows_, &s.dropped_links) &&
         AttributeColumn(rows_, &s.attributes) &&
         ChildEnds(event_count_, &s.events_end) &&
         ChildEnds(link_count_, &s.links_end);
}

bool Decoder::Traces() {
  std::vector<TraceId>& ids = data_.spans.trace_id;
  ids.reserve(rows_);
  std::vector<TraceId> seen;
  for (uint32_t row = 0; row < rows_; ++row) {
    const uint64_t how = in_.Varint();
    if (how == kTraceNew) {
      seen.push_back(Trace());
      ids.push_back(seen.back());
    } else if (how == kTraceSame) {
      if (row == 0) return false;
      ids.push_back(ids.back());
    } else {
      const uint64_t distance = how - kTraceSeen;
      if (distance >= seen.size()) return false;
      ids.push_back(seen[seen.size() - 1 - distance]);
    }
  }
  return in_.ok();
}

bool Decoder::SpanIds() {
  const std::string_view bytes = in_.Bytes(uint64_t{rows_} * 8);
  if (!in_.ok()) return false;
  data_.spans.span_id.resize(rows_);
  if (rows_ > 0) {
    std::memcpy(data_.spans.span_id.data(), bytes.data(), bytes.size());
  }
  return true;
}

bool Decoder::Parents() {
  const std::vector<SpanId>& ids = data_.spans.span_id;
  data_.spans.parent_span_id.resize(rows_);
  for (uint32_t row = 0; row < rows_; ++row) {
    const uint64_t how = in_.Varint();
    SpanId& parent = data_.spans.parent_span_id[row];
    if (how == kParentNone) continue;
    if (how == kParentElsewhere) {
      parent = {in_.U64()};
      continue;
    }
    const uint64_t at = row + UnZigZag(how - kParentRow);
    if (at >= rows_) return false;
    parent = ids[at];
  }
  return in_.ok();
}

bool Decoder::Times() {
  model::SpanColumns& s = data_.spans;
  s.start.resize(rows_);
  s.end.resize(rows_);
  uint64_t previous = 0;
  for (UnixNanos& start : s.start) {
    previous += UnZigZag(in_.Varint());
    start = {previous};
  }
  for (uint32_t row = 0; row < rows_; ++row) {
    s.end[row] = {s.start[row].ns + UnZigZag(in_.Varint())};
  }
  return in_.ok();
}

bool Decoder::Events() {
  model::EventColumns& e = data_.events;
  e.time.resize(event_count_);
  uint32_t i = 0;
  for (uint32_t row = 0; row < rows_; ++row) {
    for (; i < data_.spans.events_end[row]; ++i) {
      e.time[i] = {data_.spans.start[row].ns + UnZigZag(in_.Varint())};
    }
  }
  return in_.ok() && Refs(event_count_, &e.name) &&
         Column(event_count_, &e.dropped_attributes) &&
         AttributeColumn(event_count_, &e.attributes);
}

bool Decoder::Links() {
  model::LinkColumns& l = data_.links;
  l.trace_id.resize(link_count_);
  l.span_id.resize(link_count_);
  for (uint32_t i = 0; i < link_count_; ++i) {
    l.trace_id[i] = Trace();
    l.span_id[i] = {in_.U64()};
  }
  return in_.ok() && Refs(link_count_, &l.trace_state) &&
         Column(link_count_, &l.flags) &&
         Column(link_count_, &l.dropped_attributes) &&
         AttributeColumn(link_count_, &l.attributes);
}

bool Decoder::Ref(StringCode* code) {
  const uint64_t value = in_.Varint();
  const uint64_t found = value == 0 ? next_code_++ : value - 1;
  if (!Below(found, data_.strings.size())) return false;
  *code = static_cast<StringCode>(found);
  return true;
}

template <typename T>
bool Decoder::Column(size_t count, std::vector<T>* values) {
  values->resize(count);
  if (count == 0) return true;
  constexpr uint64_t kMax = sizeof(T) == 1 ? UINT8_MAX : UINT32_MAX;
  const uint64_t how = in_.Varint();
  if (how == kColumnConstant) {
    const uint64_t value = in_.Varint();
    if (!Below(value, kMax + 1)) return false;
    values->assign(count, static_cast<T>(value));
    return true;
  }
  if (how != kColumnPlain) return false;
  for (T& to : *values) {
    const uint64_t value = in_.Varint();
    if (value > kMax) return false;
    to = static_cast<T>(value);
  }
  return in_.ok();
}

bool Decoder::Refs(size_t count, std::vector<StringCode>* codes) {
  codes->resize(count);
  if (count == 0) return true;
  const uint64_t how = in_.Varint();
  if (how == kColumnConstant) return in_.ok();
  if (how != kColumnPlain) return false;
  for (StringCode& code : *codes) {
    if (!Ref(&code)) return false;
  }
  return true;
}

bool Decoder::AttributeColumn(size_t count, std::vector<AttrRange>* ranges) {
  ranges->resize(count);
  for (AttrRange& range : *ranges) {
    if (!Attributes(&range)) return false;
  }
  return true;
}

bool Decoder::ChildEnds(uint32_t total, std::vector<uint32_t>* ends) {
  if (!Column(rows_, ends)) return false;
  uint64_t sum = 0;
  for (uint32_t& end : *ends) {
    sum += end;
    if (sum > total) return false;
    end = static_cast<uint32_t>(sum);
  }
  return sum == total;
}

bool Decoder::ReadShape(Shape* shape) {
  uint32_t size = 0;
  if (!Count(&size, 1)) return false;
  *shape = {static_cast<uint32_t>(shape_parts_.size()), size};
  for (uint32_t i = 0; i < size; ++i) {
    const uint64_t value = in_.Varint();
    if (!Below(value >> 3, data_.keys.size())) return false;
    shape_parts_.push_back(
        {static_cast<KeyCode>(value >> 3), static_cast<AttrType>(value & 7)});
  }
  shapes_.push_back(*shape);
  return true;
}

bool Decoder::Attributes(AttrRange* range) {
  const uint64_t number = in_.Varint();
  if (!in_.ok() || number > shapes_.size()) return false;
  Shape shape;
  if (number < shapes_.size()) {
    shape = shapes_[number];
  } else if (!ReadShape(&shape)) {
    return false;
  }
  const size_t begin = data_.attributes.size();
  if (shape.size > attribute_count_ - begin) return false;
  for (uint32_t i = shape.begin; i < shape.begin + shape.size; ++i) {
    Attr attr{shape_parts_[i].key, shape_parts_[i].type, 0};
    switch (attr.type) {
      case AttrType::kInt:
        attr.payload = UnZigZag(in_.Varint());
        break;
      case AttrType::kDouble:
        attr.payload = in_.U64();
        break;
      case AttrType::kEmpty:
      case AttrType::kBool:
        attr.payload = in_.Varint();
        break;
      default: {
        StringCode code = 0;
        if (!Ref(&code)) return false;
        attr.payload = code;
      }
    }
    data_.attributes.push_back(attr);
  }
  *range = {static_cast<uint32_t>(begin),
            static_cast<uint32_t>(data_.attributes.size())};
  return in_.ok();
}

}  // namespace

Result<SpanBatch> DecodeBatch(std::string_view bytes) {
  return Decoder(bytes).Run();
}

}  // namespace khtrace::storage::columnar
