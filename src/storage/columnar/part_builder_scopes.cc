// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_writer.h"

// The last of a part's rows: its scopes and resources. They are few, so that
// they are interned when they are written.

namespace khtrace::storage::columnar {
namespace {

using model::AttrRange;
using model::SpanBatch;
using F = ColumnField;

AttrRange AttributesOf(Table table, const SpanBatch& batch, uint32_t index) {
  return table == Table::kScope ? batch.scopes()[index].attributes
                                : batch.resources()[index].attributes;
}

}  // namespace

void PartBuilder::AddOwners(Table table, const Owners& owners) {
  AttributeTable& attributes = Attributes(table);
  // Each stands alone: as if it were a batch with one row.
  std::vector<AttrRange> ranges;
  std::vector<uint32_t> shapes;
  for (const uint32_t number : owners.rows) {
    const Owners::Origin& origin = owners.found[number];
    const SpanBatch& batch = *batches_[origin.batch];
    ranges.push_back(AttributesOf(table, batch, origin.index));
    attributes.FindShapes(batch, std::span(&ranges.back(), 1), &shapes);
  }
  attributes.MakeColumns();
  for (size_t i = 0; i < owners.rows.size(); ++i) {
    const uint32_t b = owners.found[owners.rows[i]].batch;
    memo_.assign(batches_[b]->string_count(), {});
    attributes.Intern(*batches_[b], std::span(&ranges[i], 1),
                      std::span(&shapes[i], 1), memo_, codes_[b].attributes);
  }
  attributes.FinishInterning();
  for (size_t i = 0; i < owners.rows.size(); ++i) {
    const uint32_t b = owners.found[owners.rows[i]].batch;
    const AttributeTable::Owners owner = {
        batches_[b].get(), b, std::span(&ranges[i], 1),
        std::span(&shapes[i], 1), codes_[b].attributes};
    const RowRef row{0, 0};
    attributes.Add(std::span(&row, 1), std::span(&owner, 1));
    Field(table, F::kShape).Add(attributes.ShapeNumber(shapes[i]));
  }
}

void PartBuilder::AddOwnerText(Table table, ColumnField field,
                               const Owners& owners,
                               model::StringCode (*text)(const SpanBatch&,
                                                         uint32_t)) {
  ColumnBuilder& column = Field(table, field);
  std::vector<uint32_t> codes;
  std::vector<uint64_t> references;
  for (const uint32_t number : owners.rows) {
    const Owners::Origin& origin = owners.found[number];
    const SpanBatch& batch = *batches_[origin.batch];
    const model::StringCode string = text(batch, origin.index);
    column.interner().CountValue();
    codes.push_back(column.interner().Intern(batch.String(string)));
    references.push_back(TextReference(origin.batch, string));
  }
  for (size_t i = 0; i < codes.size(); ++i) {
    column.Add(column.interner().gave_up() ? references[i] : codes[i]);
  }
}

void PartBuilder::AddScopesAndResources() {
  AddOwners(Table::kScope, scopes_);
  for (const uint32_t number : scopes_.rows) {
    const Owners::Origin& origin = scopes_.found[number];
    const SpanBatch& batch = *batches_[origin.batch];
    Field(Table::kScope, F::kResource).Add(resources_.RowOf(origin.resource));
    Field(Table::kScope, F::kDroppedAttributes)
        .Add(batch.scopes()[origin.index].dropped_attributes);
  }
  const auto scope_text = [&](F field, auto text) {
    AddOwnerText(Table::kScope, field, scopes_, text);
  };
  scope_text(F::kName, [](const SpanBatch& batch, uint32_t i) {
    return batch.scopes()[i].name;
  });
  scope_text(F::kVersion, [](const SpanBatch& batch, uint32_t i) {
    return batch.scopes()[i].version;
  });
  scope_text(F::kSchemaUrl, [](const SpanBatch& batch, uint32_t i) {
    return batch.scopes()[i].schema_url;
  });
  AddOwners(Table::kResource, resources_);
  for (const uint32_t number : resources_.rows) {
    const Owners::Origin& origin = resources_.found[number];
    Field(Table::kResource, F::kDroppedAttributes)
        .Add(batches_[origin.batch]
                 ->resources()[origin.index]
                 .dropped_attributes);
  }
  const auto resource_text = [&](F field, auto text) {
    AddOwnerText(Table::kResource, field, resources_, text);
  };
  resource_text(F::kSchemaUrl, [](const SpanBatch& batch, uint32_t i) {
    return batch.resources()[i].schema_url;
  });
  resource_text(F::kEntityRefs, [](const SpanBatch& batch, uint32_t i) {
    return batch.resources()[i].entity_refs;
  });
  FinishChunks(Table::kScope);
  FinishChunks(Table::kResource);
}

}  // namespace khtrace::storage::columnar
