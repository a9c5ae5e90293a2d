// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/encoding_bytes.h"
#include "storage/columnar/part_writer.h"

// The first half of writing a part: which columns there are, their distinct
// texts, and which resources and scopes are the same.

namespace khtrace::storage::columnar {
namespace {

using model::AttrRange;
using model::SpanBatch;
using F = ColumnField;

// Everything of an owner's attributes, so that equal texts mean equal ones.
void DescribeAttributes(const SpanBatch& batch, AttrRange range,
                        ByteWriter& writer) {
  writer.Varint(range.size());
  for (const model::Attr& attr : batch.Attributes(range)) {
    const model::AttrValue value = batch.Value(attr);
    writer.Text(batch.Key(attr.key));
    writer.U8(TypeOf(value.type));
    writer.U64(value.bits);
    writer.Text(value.bytes);
  }
}

template <typename T>
std::vector<AttrRange> RangesOf(const std::vector<T>& owners) {
  std::vector<AttrRange> ranges;
  ranges.reserve(owners.size());
  for (const T& owner : owners) ranges.push_back(owner.attributes);
  return ranges;
}

}  // namespace

void PartBuilder::CountKeys() {
  for (const model::SpanBatchPtr& batch : batches_) {
    Attributes(Table::kSpan).CountKeys(*batch, batch->spans().attributes);
    Attributes(Table::kEvent).CountKeys(*batch, batch->events().attributes);
    Attributes(Table::kLink).CountKeys(*batch, batch->links().attributes);
    Attributes(Table::kScope).CountKeys(*batch, RangesOf(batch->scopes()));
    Attributes(Table::kResource)
        .CountKeys(*batch, RangesOf(batch->resources()));
  }
  for (AttributeTable& table : attributes_) table.MakeColumns();
}

void PartBuilder::InternField(Table table, ColumnField field, uint32_t number,
                              std::span<const model::StringCode> texts,
                              std::vector<AttributeTable::Memo>& memo,
                              std::vector<uint32_t>* codes) {
  const SpanBatch& batch = *batches_[number];
  TextInterner& interner = Field(table, field).interner();
  const uint32_t address = (static_cast<uint32_t>(field) * (kTables + 1) +
                            static_cast<uint32_t>(table) + 1) |
                           AttributeTable::kFieldAddress;
  codes->reserve(texts.size());
  for (const model::StringCode string : texts) {
    const std::string_view text = batch.String(string);
    interner.CountValue(text);
    AttributeTable::Memo& known = memo[string];
    if (known.column != address) known = {address, interner.Intern(text)};
    codes->push_back(known.code);
  }
}

void PartBuilder::InternBatch(uint32_t number) {
  const SpanBatch& batch = *batches_[number];
  BatchCodes& codes = codes_[number];
  codes.attributes.resize(batch.data().attributes.size());
  codes.scopes.resize(batch.scopes().size());
  codes.resources.resize(batch.resources().size());
  std::vector<AttributeTable::Memo> memo(batch.string_count());
  const auto intern = [&](Table table, std::span<const AttrRange> owners) {
    for (const AttrRange range : owners) {
      Attributes(table).Intern(number, batch, range, memo, codes.attributes);
    }
  };
  intern(Table::kSpan, batch.spans().attributes);
  intern(Table::kEvent, batch.events().attributes);
  intern(Table::kLink, batch.links().attributes);
  intern(Table::kScope, RangesOf(batch.scopes()));
  intern(Table::kResource, RangesOf(batch.resources()));
  const model::SpanColumns& spans = batch.spans();
  InternField(Table::kSpan, F::kName, number, spans.name, memo, &codes.names);
  InternField(Table::kSpan, F::kStatusMessage, number, spans.status_message,
              memo, &codes.status_messages);
  InternField(Table::kSpan, F::kTraceState, number, spans.trace_state, memo,
              &codes.trace_states);
  InternField(Table::kEvent, F::kName, number, batch.events().name, memo,
              &codes.event_names);
  InternField(Table::kLink, F::kTraceState, number, batch.links().trace_state,
              memo, &codes.link_trace_states);
}

uint32_t PartBuilder::ResourceRow(uint32_t number, uint32_t resource) {
  uint32_t& known = codes_[number].resources[resource];
  if (known != 0) return known - 1;
  const SpanBatch& batch = *batches_[number];
  const model::Resource& r = batch.resources()[resource];
  std::string content;
  ByteWriter writer(content);
  DescribeAttributes(batch, r.attributes, writer);
  writer.U32(r.dropped_attributes);
  writer.Text(batch.String(r.schema_url));
  writer.Text(batch.String(r.entity_refs));
  const auto [it, inserted] = resource_rows_.try_emplace(
      std::move(content), static_cast<uint32_t>(resources_.size()));
  if (inserted) resources_.push_back({number, resource, 0});
  known = it->second + 1;
  return it->second;
}

uint32_t PartBuilder::ScopeRow(uint32_t number, uint32_t scope) {
  uint32_t& known = codes_[number].scopes[scope];
  if (known != 0) return known - 1;
  const SpanBatch& batch = *batches_[number];
  const model::Scope& s = batch.scopes()[scope];
  const uint32_t resource = ResourceRow(number, s.resource);
  std::string content;
  ByteWriter writer(content);
  writer.U32(resource);
  DescribeAttributes(batch, s.attributes, writer);
  writer.U32(s.dropped_attributes);
  writer.Text(batch.String(s.name));
  writer.Text(batch.String(s.version));
  writer.Text(batch.String(s.schema_url));
  const auto [it, inserted] = scope_rows_.try_emplace(
      std::move(content), static_cast<uint32_t>(scopes_.size()));
  if (inserted) scopes_.push_back({number, scope, resource});
  known = it->second + 1;
  return it->second;
}

void PartBuilder::FindScopes() {
  for (const RowRef& ref : order_.rows) {
    ScopeRow(ref.batch, batches_[ref.batch]->spans().scope[ref.row]);
  }
  const auto intern = [&](Table table, F field, std::string_view text) {
    TextInterner& interner = Field(table, field).interner();
    interner.CountValue(text);
    return interner.Intern(text);
  };
  for (const Origin& origin : scopes_) {
    const SpanBatch& batch = *batches_[origin.batch];
    const model::Scope& s = batch.scopes()[origin.index];
    intern(Table::kScope, F::kName, batch.String(s.name));
    intern(Table::kScope, F::kVersion, batch.String(s.version));
    intern(Table::kScope, F::kSchemaUrl, batch.String(s.schema_url));
  }
  for (const Origin& origin : resources_) {
    const SpanBatch& batch = *batches_[origin.batch];
    const model::Resource& r = batch.resources()[origin.index];
    intern(Table::kResource, F::kSchemaUrl, batch.String(r.schema_url));
    intern(Table::kResource, F::kEntityRefs, batch.String(r.entity_refs));
  }
}

void PartBuilder::FinishDictionaries() {
  for (auto& table : fields_) {
    for (auto& field : table) {
      if (field != nullptr) field->FinishDictionary(sink_);
    }
  }
  for (AttributeTable& table : attributes_) {
    for (auto& column : table.columns()) column->FinishDictionary(sink_);
  }
}

}  // namespace khtrace::storage::columnar
