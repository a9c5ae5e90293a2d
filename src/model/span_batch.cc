// SPDX-License-Identifier: Apache-2.0
#include "model/span_batch.h"

namespace khtrace::model {
namespace {

template <typename T>
size_t Bytes(const std::vector<T>& column) {
  return column.capacity() * sizeof(T);
}

}  // namespace

SpanBatch::SpanBatch(SpanBatchData data) : data_(std::move(data)) {
  if (data_.strings.empty()) data_.strings.push_back({});
  service_names_.reserve(data_.resources.size());
  for (const Resource& resource : data_.resources) {
    const Attr* name = Find(resource.attributes, "service.name");
    service_names_.push_back(name != nullptr && name->type == AttrType::kString
                                 ? static_cast<StringCode>(name->payload)
                                 : 0);
  }
}

const Attr* SpanBatch::Find(AttrRange range, std::string_view key) const {
  for (const Attr& attr : Attributes(range)) {
    if (Key(attr.key) == key) return &attr;
  }
  return nullptr;
}

size_t SpanBatch::MemoryBytes() const {
  const SpanColumns& s = data_.spans;
  const EventColumns& e = data_.events;
  const LinkColumns& l = data_.links;
  return sizeof(*this) + Bytes(s.trace_id) + Bytes(s.span_id) +
         Bytes(s.parent_span_id) + Bytes(s.start) + Bytes(s.end) +
         Bytes(s.name) + Bytes(s.trace_state) + Bytes(s.status_message) +
         Bytes(s.scope) + Bytes(s.kind) + Bytes(s.status) + Bytes(s.flags) +
         Bytes(s.dropped_attributes) + Bytes(s.dropped_events) +
         Bytes(s.dropped_links) + Bytes(s.attributes) + Bytes(s.events_end) +
         Bytes(s.links_end) + Bytes(e.time) + Bytes(e.name) +
         Bytes(e.attributes) + Bytes(e.dropped_attributes) + Bytes(l.trace_id) +
         Bytes(l.span_id) + Bytes(l.trace_state) + Bytes(l.flags) +
         Bytes(l.attributes) + Bytes(l.dropped_attributes) +
         Bytes(data_.scopes) + Bytes(data_.resources) +
         Bytes(data_.attributes) + Bytes(data_.keys) + Bytes(data_.strings) +
         data_.text.capacity() + Bytes(service_names_);
}

}  // namespace khtrace::model
