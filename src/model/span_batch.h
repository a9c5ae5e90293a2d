// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "model/attr_value.h"
#include "model/ids.h"

namespace khtrace::model {

// OTLP's numbers (trace.proto), written to disk as they are. A value outside
// the enum is kept as it came.
enum class SpanKind : uint8_t {
  kUnspecified = 0,
  kInternal = 1,
  kServer = 2,
  kClient = 3,
  kProducer = 4,
  kConsumer = 5,
};
enum class StatusCode : uint8_t { kUnset = 0, kOk = 1, kError = 2 };

// Index into the batch's strings. Code 0 is the empty string. Equal texts may
// have different codes unless the batch is compact (see Compact()).
using StringCode = uint32_t;
// Index into the batch's keys. Equal keys have equal codes, always.
using KeyCode = uint32_t;
// A span's position in its batch.
using RowIndex = uint32_t;

// A half-open range of the batch's attributes.
struct AttrRange {
  uint32_t begin = 0;
  uint32_t end = 0;
  uint32_t size() const { return end - begin; }
};

// One attribute: 16 bytes. `payload` is a StringCode for kString, kBytes,
// kArray and kKvList, and AttrValue::bits for the others. The keys of one
// owner (span, event, …) are distinct.
struct Attr {
  KeyCode key;
  AttrType type;
  uint64_t payload;
};

// Columns: every vector has one entry a span (one more where said so).
struct SpanColumns {
  std::vector<TraceId> trace_id;
  std::vector<SpanId> span_id;
  std::vector<SpanId> parent_span_id;  // zero: none
  std::vector<UnixNanos> start;
  std::vector<UnixNanos> end;  // as sent: may lie before start
  std::vector<StringCode> name;
  std::vector<StringCode> trace_state;
  std::vector<StringCode> status_message;
  std::vector<uint32_t> scope;  // index into scopes
  std::vector<SpanKind> kind;
  std::vector<StatusCode> status;
  std::vector<uint32_t> flags;
  std::vector<uint32_t> dropped_attributes;
  std::vector<uint32_t> dropped_events;
  std::vector<uint32_t> dropped_links;
  std::vector<AttrRange> attributes;
  // Span i has events [events_end[i - 1], events_end[i]), with 0 before the
  // first; links likewise.
  std::vector<uint32_t> events_end;
  std::vector<uint32_t> links_end;
};

struct EventColumns {
  std::vector<UnixNanos> time;
  std::vector<StringCode> name;
  std::vector<AttrRange> attributes;
  std::vector<uint32_t> dropped_attributes;
};

struct LinkColumns {
  std::vector<TraceId> trace_id;
  std::vector<SpanId> span_id;
  std::vector<StringCode> trace_state;
  std::vector<uint32_t> flags;
  std::vector<AttrRange> attributes;
  std::vector<uint32_t> dropped_attributes;
};

struct Resource {
  AttrRange attributes;
  uint32_t dropped_attributes = 0;
  StringCode schema_url = 0;
  // The resource's EntityRef messages as they came: protobuf records of
  // field 3, one after the other.
  StringCode entity_refs = 0;
};

struct Scope {
  uint32_t resource = 0;  // index into resources
  StringCode name = 0;
  StringCode version = 0;
  AttrRange attributes;
  uint32_t dropped_attributes = 0;
  StringCode schema_url = 0;
};

// Where a string lies in the batch's text.
struct StringRef {
  uint32_t offset = 0;
  uint32_t size = 0;
};

// All columns of a batch. Filled by SpanBatchBuilder; plain data.
struct SpanBatchData {
  SpanColumns spans;
  EventColumns events;
  LinkColumns links;
  std::vector<Scope> scopes;
  std::vector<Resource> resources;
  std::vector<Attr> attributes;
  std::vector<StringCode> keys;  // KeyCode -> its text
  std::vector<StringRef> strings;
  std::string text;
};

// Spans as everyone in this program exchanges them: columns over one text
// buffer (the arena; for OTLP it is the request's body, not copied).
// Immutable once built, so any number of threads may read it. Strings and
// values that it hands out live as long as the batch.
class SpanBatch {
 public:
  SpanBatch() : SpanBatch(SpanBatchData{}) {}
  // `data` must be consistent: made by SpanBatchBuilder or validated.
  explicit SpanBatch(SpanBatchData data);

  RowIndex row_count() const {
    return static_cast<RowIndex>(data_.spans.trace_id.size());
  }
  bool empty() const { return row_count() == 0; }

  const SpanColumns& spans() const { return data_.spans; }
  const EventColumns& events() const { return data_.events; }
  const LinkColumns& links() const { return data_.links; }
  const std::vector<Scope>& scopes() const { return data_.scopes; }
  const std::vector<Resource>& resources() const { return data_.resources; }
  const SpanBatchData& data() const { return data_; }

  size_t key_count() const { return data_.keys.size(); }
  size_t string_count() const { return data_.strings.size(); }

  std::string_view String(StringCode code) const {
    const StringRef ref = data_.strings[code];
    return {data_.text.data() + ref.offset, ref.size};
  }
  std::string_view Key(KeyCode code) const { return String(data_.keys[code]); }
  std::span<const Attr> Attributes(AttrRange range) const {
    return {data_.attributes.data() + range.begin, range.size()};
  }
  AttrValue Value(const Attr& attr) const {
    switch (attr.type) {
      case AttrType::kString:
      case AttrType::kBytes:
      case AttrType::kArray:
      case AttrType::kKvList:
        return {attr.type, 0, String(static_cast<StringCode>(attr.payload))};
      default:
        return {attr.type, attr.payload, {}};
    }
  }
  // The value under `key`, or nullptr.
  const Attr* Find(AttrRange range, std::string_view key) const;

  AttrRange EventRange(RowIndex row) const {
    return ChildRange(data_.spans.events_end, row);
  }
  AttrRange LinkRange(RowIndex row) const {
    return ChildRange(data_.spans.links_end, row);
  }
  const Scope& ScopeOf(RowIndex row) const {
    return data_.scopes[data_.spans.scope[row]];
  }
  const Resource& ResourceOf(RowIndex row) const {
    return data_.resources[ScopeOf(row).resource];
  }
  // The resource's "service.name", or "" without one. Looked up once a
  // resource, at construction.
  std::string_view ServiceName(RowIndex row) const {
    return String(service_names_[ScopeOf(row).resource]);
  }
  // Zero where the end lies before the start.
  uint64_t DurationNanos(RowIndex row) const {
    const uint64_t start = data_.spans.start[row].ns;
    const uint64_t end = data_.spans.end[row].ns;
    return end > start ? end - start : 0;
  }
  // Heap bytes held, for budgets.
  size_t MemoryBytes() const;

 private:
  static AttrRange ChildRange(const std::vector<uint32_t>& ends, RowIndex row) {
    return {row == 0 ? 0 : ends[row - 1], ends[row]};
  }

  SpanBatchData data_;
  std::vector<StringCode> service_names_;  // by resource
};

using SpanBatchPtr = std::shared_ptr<const SpanBatch>;

}  // namespace khtrace::model
