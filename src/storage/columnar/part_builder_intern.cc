// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/hash.h"
#include "storage/columnar/part_writer.h"

// The first half of writing a part: which columns there are, their distinct
// texts, and which resources and scopes are the same.

namespace khtrace::storage::columnar {
namespace {

using model::AttrRange;
using model::SpanBatch;
using F = ColumnField;

// TextMemo::column of what TextNumber said.
constexpr uint32_t kOwnerText = 1;

}  // namespace

void PartBuilder::FindShapes() {
  for (uint32_t number = 0; number < batches_.size(); ++number) {
    const SpanBatch& batch = *batches_[number];
    auto& shapes = codes_[number].shapes;
    Attributes(Table::kSpan)
        .FindShapes(batch, batch.spans().attributes, &shapes[0]);
    Attributes(Table::kEvent)
        .FindShapes(batch, batch.events().attributes, &shapes[1]);
    Attributes(Table::kLink)
        .FindShapes(batch, batch.links().attributes, &shapes[2]);
  }
  for (const Table table : {Table::kSpan, Table::kEvent, Table::kLink}) {
    Attributes(table).MakeColumns();
  }
}

void PartBuilder::InternField(Table table, ColumnField field, uint32_t number,
                              std::span<const model::StringCode> texts,
                              std::vector<uint32_t>* codes) {
  ColumnBuilder& column = Field(table, field);
  const uint32_t address = TextMemo::Address(table, field);
  codes->resize(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    (*codes)[i] = column.Intern(*batches_[number], texts[i], address, memo_);
  }
}

void PartBuilder::InternBatch(uint32_t number) {
  const SpanBatch& batch = *batches_[number];
  BatchCodes& codes = codes_[number];
  codes.attributes.resize(batch.data().attributes.size());
  memo_.assign(batch.string_count(), {});
  const auto intern = [&](Table table, std::span<const AttrRange> owners) {
    Attributes(table).Intern(batch, owners,
                             codes.shapes[static_cast<size_t>(table) - 1],
                             memo_, codes.attributes);
  };
  intern(Table::kSpan, batch.spans().attributes);
  intern(Table::kEvent, batch.events().attributes);
  intern(Table::kLink, batch.links().attributes);
  const model::SpanColumns& spans = batch.spans();
  InternField(Table::kSpan, F::kName, number, spans.name, &codes.names);
  InternField(Table::kSpan, F::kStatusMessage, number, spans.status_message,
              &codes.status_messages);
  InternField(Table::kSpan, F::kTraceState, number, spans.trace_state,
              &codes.trace_states);
  InternField(Table::kEvent, F::kName, number, batch.events().name,
              &codes.event_names);
  InternField(Table::kLink, F::kTraceState, number, batch.links().trace_state,
              &codes.link_trace_states);
  FindOwners(number);
}

void PartBuilder::InternRootNames() {
  TextInterner& interner = Field(Table::kTrace, F::kName).interner();
  for (const TraceSlice& trace : order_.traces) {
    const auto begin =
        order_.rows.begin() + static_cast<ptrdiff_t>(trace.first);
    const auto root =
        std::find_if(begin, begin + trace.count, [&](const RowRef& ref) {
          return batches_[ref.batch]->spans().parent_span_id[ref.row].IsZero();
        });
    const bool none = root == begin + trace.count;
    const uint32_t batch = none ? begin->batch : root->batch;
    const model::StringCode name =
        none ? 0 : batches_[batch]->spans().name[root->row];
    interner.CountValue();
    root_names_.push_back({interner.Intern(batches_[batch]->String(name)),
                           TextReference(batch, name)});
  }
}

uint32_t PartBuilder::Owners::Find(const Origin& origin,
                                   const std::vector<uint64_t>& content) {
  const std::string_view bytes(reinterpret_cast<const char*>(content.data()),
                               content.size() * sizeof(uint64_t));
  // One whose place is taken has the next one.
  for (uint64_t hash = Hash64(bytes);; ++hash) {
    const auto [it, inserted] =
        by_hash.try_emplace(hash, static_cast<uint32_t>(found.size()));
    if (!inserted && contents[it->second] != content) continue;
    if (inserted) {
      found.push_back(origin);
      contents.push_back(content);
    }
    return it->second;
  }
}

uint32_t PartBuilder::Owners::RowOf(uint32_t number) {
  uint32_t& row = found[number].row;
  if (row == kNoRow) {
    row = static_cast<uint32_t>(rows.size());
    rows.push_back(number);
  }
  return row;
}

uint64_t PartBuilder::TextNumber(const SpanBatch& batch,
                                 model::StringCode text) {
  TextMemo& known = memo_[text];
  if (known.column != kOwnerText) {
    const auto it = texts_.try_emplace(batch.String(text), texts_.size()).first;
    known = {kOwnerText, static_cast<uint32_t>(it->second)};
  }
  return known.code;
}

void PartBuilder::DescribeAttributes(const SpanBatch& batch, AttrRange range) {
  content_.push_back(range.size());
  for (const model::Attr& attr : batch.Attributes(range)) {
    const ColumnType type = TypeOf(attr.type);
    content_.push_back(TextNumber(batch, batch.data().keys[attr.key]) << 8 |
                       type);
    content_.push_back(
        IsTextType(type)
            ? TextNumber(batch, static_cast<model::StringCode>(attr.payload))
            : attr.payload);
  }
}

void PartBuilder::FindOwners(uint32_t number) {
  const SpanBatch& batch = *batches_[number];
  BatchCodes& codes = codes_[number];
  for (uint32_t i = 0; i < batch.resources().size(); ++i) {
    const model::Resource& r = batch.resources()[i];
    content_.assign({r.dropped_attributes, TextNumber(batch, r.schema_url),
                     TextNumber(batch, r.entity_refs)});
    DescribeAttributes(batch, r.attributes);
    codes.resources.push_back(
        resources_.Find({number, i, 0, Owners::kNoRow}, content_));
  }
  for (uint32_t i = 0; i < batch.scopes().size(); ++i) {
    const model::Scope& s = batch.scopes()[i];
    const uint32_t resource = codes.resources[s.resource];
    content_.assign({resource, s.dropped_attributes, TextNumber(batch, s.name),
                     TextNumber(batch, s.version),
                     TextNumber(batch, s.schema_url)});
    DescribeAttributes(batch, s.attributes);
    codes.scopes.push_back(
        scopes_.Find({number, i, resource, Owners::kNoRow}, content_));
  }
}

}  // namespace khtrace::storage::columnar
