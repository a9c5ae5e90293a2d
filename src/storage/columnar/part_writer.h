// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "storage/columnar/part.h"
#include "storage/columnar/part_attributes.h"
#include "storage/columnar/part_column_builder.h"
#include "storage/columnar/part_rows.h"

namespace khtrace::storage::columnar {

// The columns of a part, filled from batches and written row group by row
// group. Used once, confined to one thread. Borrows the batches.
class PartBuilder {
 public:
  PartBuilder(std::span<const model::SpanBatchPtr> batches, PageSink& sink,
              uint32_t row_group_spans);

  // Writes the whole file but for what PageSink still buffers.
  PartInfo Write(const PartMeta& meta);

 private:
  // What interning said of one batch's texts, by attribute, span, event, link.
  struct BatchCodes {
    std::vector<uint32_t> attributes;
    std::vector<uint32_t> names;
    std::vector<uint32_t> status_messages;
    std::vector<uint32_t> trace_states;
    std::vector<uint32_t> event_names;
    std::vector<uint32_t> link_trace_states;
    // Scope of the batch -> of the part + 1, 0 = not seen yet; resources too.
    std::vector<uint32_t> scopes;
    std::vector<uint32_t> resources;
  };
  // Where the first of several equal scopes or resources lies.
  struct Origin {
    uint32_t batch = 0;
    uint32_t index = 0;
    uint32_t resource = 0;  // of a scope: row in the part
  };

  ColumnBuilder& Field(Table table, ColumnField field) {
    return *fields_[static_cast<size_t>(table)][static_cast<size_t>(field)];
  }
  AttributeTable& Attributes(Table table) {
    return attributes_[static_cast<size_t>(table) - 1];
  }
  void AddText(Table table, ColumnField field, const model::SpanBatch& batch,
               model::StringCode text, uint32_t code) {
    Field(table, field).AddText(batch, text, code);
  }

  void CountKeys();
  void InternBatch(uint32_t number);
  void InternField(Table table, ColumnField field, uint32_t number,
                   std::span<const model::StringCode> texts,
                   std::vector<AttributeTable::Memo>& memo,
                   std::vector<uint32_t>* codes);
  void FindScopes();
  uint32_t ScopeRow(uint32_t number, uint32_t scope);
  uint32_t ResourceRow(uint32_t number, uint32_t resource);
  void FinishDictionaries();

  void AddTrace(const TraceSlice& trace);
  void AddSpan(const RowRef& ref, uint64_t previous_start);
  void AddParents(const TraceSlice& trace);
  void AddEvents(const RowRef& ref);
  void AddLinks(const RowRef& ref);
  void FinishGroup();
  void AddScopesAndResources();
  void FinishChunks(Table table);
  PageRef WriteShapes();
  PageRef WriteTraceIndex();
  void TakeColumns();

  const std::span<const model::SpanBatchPtr> batches_;
  PageSink& sink_;
  const uint32_t row_group_spans_;
  RowOrder order_;
  std::array<std::array<std::unique_ptr<ColumnBuilder>, kColumnFields>,
             kTables + 1>
      fields_;
  std::vector<AttributeTable> attributes_;  // by table, none for traces
  std::vector<BatchCodes> codes_;
  std::vector<Origin> scopes_;
  std::vector<Origin> resources_;
  std::map<std::string, uint32_t> scope_rows_;  // by content
  std::map<std::string, uint32_t> resource_rows_;
  std::vector<uint32_t> parent_slots_;  // AddParents' table
  RowGroup group_;
  Footer footer_;
};

}  // namespace khtrace::storage::columnar
