// SPDX-License-Identifier: Apache-2.0
#include "model/span_batch_builder.h"

#include <algorithm>

#include "base/hash.h"

namespace khtrace::model {
namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 31;

bool HasText(AttrType type) {
  return type == AttrType::kString || type == AttrType::kBytes ||
         type == AttrType::kArray || type == AttrType::kKvList;
}

}  // namespace

SpanBatchBuilder::SpanBatchBuilder(std::string text) { Reset(std::move(text)); }

void SpanBatchBuilder::Reset(std::string text) {
  KHTRACE_CHECK(text.size() < kMaxTextBytes);
  data_ = {};
  data_.text = std::move(text);
  data_.strings.push_back({});
  added_text_.clear();
  key_table_ = {};
  string_table_ = {};
}

std::string_view SpanBatchBuilder::Text(StringCode code) const {
  const StringRef ref = data_.strings[code];
  const size_t base = data_.text.size();
  const char* start = ref.offset < base
                          ? data_.text.data() + ref.offset
                          : added_text_.data() + ref.offset - base;
  return {start, ref.size};
}

StringCode SpanBatchBuilder::AddString(std::string_view text) {
  if (text.empty()) return 0;
  const size_t offset = data_.text.size() + added_text_.size();
  KHTRACE_CHECK(offset + text.size() < kMaxTextBytes);
  added_text_.append(text);
  data_.strings.push_back(
      {static_cast<uint32_t>(offset), static_cast<uint32_t>(text.size())});
  return static_cast<StringCode>(data_.strings.size() - 1);
}

StringCode SpanBatchBuilder::AddBorrowed(uint32_t offset, uint32_t size) {
  if (size == 0) return 0;
  data_.strings.push_back({offset, size});
  return static_cast<StringCode>(data_.strings.size() - 1);
}

void SpanBatchBuilder::CodeTable::Resize(size_t slot_count) {
  std::vector<Slot> old(slot_count);
  old.swap(slots);
  const size_t mask = slots.size() - 1;
  for (const Slot& slot : old) {
    if (slot.code_plus_1 == 0) continue;
    size_t i = slot.hash & mask;
    while (slots[i].code_plus_1 != 0) i = (i + 1) & mask;
    slots[i] = slot;
  }
}

// The slot of `text`: free, but for its hash, if it is not in the table.
// Grows the table so that the caller may fill the slot.
template <typename TextOf>
SpanBatchBuilder::CodeTable::Slot* SpanBatchBuilder::FindSlot(
    CodeTable& table, std::string_view text, const TextOf& text_of) {
  if (table.used * 2 >= table.slots.size()) {
    table.Resize(std::max<size_t>(64, table.slots.size() * 2));
  }
  const auto hash = static_cast<uint32_t>(TableHash(text));
  const size_t mask = table.slots.size() - 1;
  for (size_t i = hash & mask;; i = (i + 1) & mask) {
    CodeTable::Slot& slot = table.slots[i];
    if (slot.code_plus_1 == 0) {
      slot.hash = hash;
      return &slot;
    }
    if (slot.hash == hash && text_of(slot.code_plus_1 - 1) == text) {
      return &slot;
    }
  }
}

void SpanBatchBuilder::ReserveStrings(size_t count, size_t text_bytes) {
  data_.strings.reserve(data_.strings.size() + count);
  added_text_.reserve(added_text_.size() + text_bytes);
  size_t slots = std::max<size_t>(64, string_table_.slots.size());
  while (slots < 2 * (string_table_.used + count)) slots *= 2;
  if (slots > string_table_.slots.size()) string_table_.Resize(slots);
}

StringCode SpanBatchBuilder::AddUniqueString(std::string_view text) {
  if (text.empty()) return 0;
  CodeTable::Slot* slot = FindSlot(
      string_table_, text, [this](uint32_t code) { return Text(code); });
  if (slot->code_plus_1 == 0) {
    slot->code_plus_1 = AddString(text) + 1;
    ++string_table_.used;
  }
  return slot->code_plus_1 - 1;
}

KeyCode SpanBatchBuilder::NewKey(StringCode code) {
  data_.keys.push_back(code);
  ++key_table_.used;
  return static_cast<KeyCode>(data_.keys.size() - 1);
}

KeyCode SpanBatchBuilder::InternKey(std::string_view key) {
  CodeTable::Slot* slot = FindSlot(key_table_, key, [this](uint32_t code) {
    return Text(data_.keys[code]);
  });
  if (slot->code_plus_1 == 0) slot->code_plus_1 = NewKey(AddString(key)) + 1;
  return slot->code_plus_1 - 1;
}

KeyCode SpanBatchBuilder::InternBorrowedKey(uint32_t offset, uint32_t size) {
  const std::string_view key(data_.text.data() + offset, size);
  CodeTable::Slot* slot = FindSlot(key_table_, key, [this](uint32_t code) {
    return Text(data_.keys[code]);
  });
  if (slot->code_plus_1 == 0) {
    slot->code_plus_1 = NewKey(AddBorrowed(offset, size)) + 1;
  }
  return slot->code_plus_1 - 1;
}

void SpanBatchBuilder::AddAttribute(AttrRange& owner, std::string_view key,
                                    const AttrValue& value) {
  const KeyCode code = InternKey(key);
  const Attr attr{code, value.type,
                  HasText(value.type) ? AddString(value.bytes) : value.bits};
  // The newest attribute list is the only one that may grow.
  KHTRACE_CHECK(owner.end == data_.attributes.size());
  for (uint32_t i = owner.begin; i < owner.end; ++i) {
    if (data_.attributes[i].key == code) {
      data_.attributes[i] = attr;  // the last value counts
      return;
    }
  }
  data_.attributes.push_back(attr);
  ++owner.end;
}

uint32_t SpanBatchBuilder::AddResource(uint32_t dropped_attributes,
                                       std::string_view schema_url,
                                       std::string_view entity_refs) {
  const auto at = static_cast<uint32_t>(data_.attributes.size());
  data_.resources.push_back({{at, at},
                             dropped_attributes,
                             AddString(schema_url),
                             AddString(entity_refs)});
  return static_cast<uint32_t>(data_.resources.size() - 1);
}

void SpanBatchBuilder::AddResourceAttribute(std::string_view key,
                                            const AttrValue& value) {
  AddAttribute(data_.resources.back().attributes, key, value);
}

uint32_t SpanBatchBuilder::AddScope(std::string_view name,
                                    std::string_view version,
                                    uint32_t dropped_attributes,
                                    std::string_view schema_url) {
  if (data_.resources.empty()) AddResource();
  const auto at = static_cast<uint32_t>(data_.attributes.size());
  data_.scopes.push_back({static_cast<uint32_t>(data_.resources.size() - 1),
                          AddString(name),
                          AddString(version),
                          {at, at},
                          dropped_attributes,
                          AddString(schema_url)});
  return static_cast<uint32_t>(data_.scopes.size() - 1);
}

void SpanBatchBuilder::AddScopeAttribute(std::string_view key,
                                         const AttrValue& value) {
  AddAttribute(data_.scopes.back().attributes, key, value);
}

RowIndex SpanBatchBuilder::AddSpan(const SpanFields& fields) {
  if (data_.scopes.empty()) AddScope({}, {});
  SpanColumns& s = data_.spans;
  s.trace_id.push_back(fields.trace_id);
  s.span_id.push_back(fields.span_id);
  s.parent_span_id.push_back(fields.parent_span_id);
  s.start.push_back(fields.start);
  s.end.push_back(fields.end);
  s.name.push_back(AddString(fields.name));
  s.trace_state.push_back(AddString(fields.trace_state));
  s.status_message.push_back(AddString(fields.status_message));
  s.scope.push_back(static_cast<uint32_t>(data_.scopes.size() - 1));
  s.kind.push_back(fields.kind);
  s.status.push_back(fields.status);
  s.flags.push_back(fields.flags);
  s.dropped_attributes.push_back(fields.dropped_attributes);
  s.dropped_events.push_back(fields.dropped_events);
  s.dropped_links.push_back(fields.dropped_links);
  const auto at = static_cast<uint32_t>(data_.attributes.size());
  s.attributes.push_back({at, at});
  s.events_end.push_back(static_cast<uint32_t>(data_.events.time.size()));
  s.links_end.push_back(static_cast<uint32_t>(data_.links.trace_id.size()));
  return row_count() - 1;
}

void SpanBatchBuilder::AddSpanAttribute(std::string_view key,
                                        const AttrValue& value) {
  AddAttribute(data_.spans.attributes.back(), key, value);
}

void SpanBatchBuilder::AddEvent(UnixNanos time, std::string_view name,
                                uint32_t dropped_attributes) {
  EventColumns& e = data_.events;
  const auto at = static_cast<uint32_t>(data_.attributes.size());
  e.time.push_back(time);
  e.name.push_back(AddString(name));
  e.attributes.push_back({at, at});
  e.dropped_attributes.push_back(dropped_attributes);
  ++data_.spans.events_end.back();
}

void SpanBatchBuilder::AddEventAttribute(std::string_view key,
                                         const AttrValue& value) {
  AddAttribute(data_.events.attributes.back(), key, value);
}

void SpanBatchBuilder::AddLink(TraceId trace_id, SpanId span_id,
                               std::string_view trace_state, uint32_t flags,
                               uint32_t dropped_attributes) {
  LinkColumns& l = data_.links;
  const auto at = static_cast<uint32_t>(data_.attributes.size());
  l.trace_id.push_back(trace_id);
  l.span_id.push_back(span_id);
  l.trace_state.push_back(AddString(trace_state));
  l.flags.push_back(flags);
  l.attributes.push_back({at, at});
  l.dropped_attributes.push_back(dropped_attributes);
  ++data_.spans.links_end.back();
}

void SpanBatchBuilder::AddLinkAttribute(std::string_view key,
                                        const AttrValue& value) {
  AddAttribute(data_.links.attributes.back(), key, value);
}

SpanBatch SpanBatchBuilder::Build() {
  data_.text += added_text_;
  SpanBatch batch(std::move(data_));
  Reset({});
  return batch;
}

}  // namespace khtrace::model
