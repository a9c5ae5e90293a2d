// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/span_batch.h"

namespace khtrace::model {

// Accumulates a SpanBatch. Confined to one thread. The way to add a span:
//
//   builder.AddResource(…); builder.AddScope(…);       // once a group
//   SpanBatchBuilder::SpanFields f; …; builder.AddSpan(f);
//   builder.AddSpanAttribute(key, value);              // of the last span
//   builder.AddEvent(…); builder.AddEventAttribute(…); // of the last span
//   builder.AddLink(…); builder.AddLinkAttribute(…);
//
// A span's attributes come before its events, those before its links. A
// decoder that needs more speed writes data() itself and keeps the rules of
// SpanBatchData.
class SpanBatchBuilder {
 public:
  // `text` becomes the batch's text; AddBorrowed() refers into it. At most
  // 2 GiB of text in all, which every caller's request limit is far below.
  explicit SpanBatchBuilder(std::string text = {});

  struct SpanFields {
    TraceId trace_id;
    SpanId span_id;
    SpanId parent_span_id;
    UnixNanos start;
    UnixNanos end;
    std::string_view name;
    std::string_view trace_state;
    std::string_view status_message;
    SpanKind kind = SpanKind::kUnspecified;
    StatusCode status = StatusCode::kUnset;
    uint32_t flags = 0;
    uint32_t dropped_attributes = 0;
    uint32_t dropped_events = 0;
    uint32_t dropped_links = 0;
  };

  // Return the index; later scopes and spans belong to the last one added.
  uint32_t AddResource(uint32_t dropped_attributes = 0,
                       std::string_view schema_url = {},
                       std::string_view entity_refs = {});
  void AddResourceAttribute(std::string_view key, const AttrValue& value);
  uint32_t AddScope(std::string_view name, std::string_view version,
                    uint32_t dropped_attributes = 0,
                    std::string_view schema_url = {});
  void AddScopeAttribute(std::string_view key, const AttrValue& value);
  RowIndex AddSpan(const SpanFields& fields);
  void AddSpanAttribute(std::string_view key, const AttrValue& value);
  void AddEvent(UnixNanos time, std::string_view name,
                uint32_t dropped_attributes = 0);
  void AddEventAttribute(std::string_view key, const AttrValue& value);
  void AddLink(TraceId trace_id, SpanId span_id,
               std::string_view trace_state = {}, uint32_t flags = 0,
               uint32_t dropped_attributes = 0);
  void AddLinkAttribute(std::string_view key, const AttrValue& value);

  // Copies `text` into the batch. With `unique`, equal texts get one code:
  // costs a hash, saves memory.
  StringCode AddString(std::string_view text);
  StringCode AddUniqueString(std::string_view text);
  // Makes room for so many more unique strings and bytes of text.
  void ReserveStrings(size_t count, size_t text_bytes);
  // Refers into the text given at construction, without a copy.
  StringCode AddBorrowed(uint32_t offset, uint32_t size);
  // The code of a key. The borrowed form lies in the text given.
  KeyCode InternKey(std::string_view key);
  KeyCode InternBorrowedKey(uint32_t offset, uint32_t size);

  SpanBatchData& data() { return data_; }
  RowIndex row_count() const {
    return static_cast<RowIndex>(data_.spans.trace_id.size());
  }

  // The batch. The builder is empty afterwards.
  SpanBatch Build();

 private:
  // Open addressing over codes, keyed by the text they stand for.
  struct CodeTable {
    // Half of the text's hash, so that most other texts are told apart, and
    // all are moved to a larger table, without a look at them.
    struct Slot {
      uint32_t code_plus_1 = 0;  // 0: free
      uint32_t hash = 0;
    };
    std::vector<Slot> slots;  // power-of-two size
    uint32_t used = 0;

    void Resize(size_t slot_count);
  };
  std::string_view Text(StringCode code) const;
  template <typename TextOf>
  CodeTable::Slot* FindSlot(CodeTable& table, std::string_view text,
                            const TextOf& text_of);
  KeyCode NewKey(StringCode code);
  void AddAttribute(AttrRange& owner, std::string_view key,
                    const AttrValue& value);
  void Reset(std::string text);

  SpanBatchData data_;
  // Text added after construction: apart from data_.text, which a decoder
  // may be reading while we add. Its offsets start at data_.text.size().
  std::string added_text_;
  CodeTable key_table_;
  CodeTable string_table_;
};

// Copies spans of one batch into a builder, each with its scope, resource,
// events and links; texts become unique. Borrows both for its lifetime.
// Several copiers may feed one builder in turn. Confined to one thread.
class RowCopier {
 public:
  RowCopier(const SpanBatch& source, SpanBatchBuilder& to);

  // Appends span `row` of the source behind the builder's last.
  void Append(RowIndex row);

 private:
  uint32_t CopyScope(uint32_t scope);
  uint32_t CopyResource(uint32_t resource);
  StringCode CopyString(StringCode code);
  AttrRange CopyAttributes(AttrRange range);
  void CopyEvents(RowIndex row);
  void CopyLinks(RowIndex row);

  const SpanBatch& source_;
  SpanBatchBuilder& builder_;
  SpanBatchData& to_;
  // By code or index in the source: ours + 1, or 0 if not yet copied.
  std::vector<uint32_t> scopes_;
  std::vector<uint32_t> resources_;
  std::vector<uint32_t> keys_;
  std::vector<uint32_t> strings_;
};

// The same spans in the same order with every distinct text stored once and
// nothing unreferenced: what the store keeps. `rows` selects; empty = all.
SpanBatch Compact(const SpanBatch& batch, std::span<const RowIndex> rows = {});

struct RowRef {
  const SpanBatch* batch;
  RowIndex row;
};

// These spans of many batches, in this order, as one compact batch.
SpanBatch Gather(std::span<const RowRef> rows);

}  // namespace khtrace::model
