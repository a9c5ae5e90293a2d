// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aggregate/span_tree.h"
#include "base/hash.h"
#include "storage/columnar/part.h"
#include "storage/columnar/part_attributes.h"
#include "storage/columnar/part_column_builder.h"
#include "storage/columnar/part_rows.h"

namespace khtrace::storage::columnar {

// The columns of a part, filled from batches and written row group by row
// group, each column by itself. Used once, confined to one thread. Borrows
// the batches.
class PartBuilder {
 public:
  PartBuilder(std::span<const model::SpanBatchPtr> batches, PageSink& sink,
              const PartWriteOptions& options);
  ~PartBuilder();

  // Writes the whole file but for what PageSink still buffers.
  PartInfo Write(const PartMeta& meta);

 private:
  class Aggregates;                            // part_builder_aggregates.h
  static constexpr size_t kRowTableCount = 3;  // with rows in every batch

  struct TextHash {
    using is_avalanching = void;
    size_t operator()(std::string_view text) const { return TableHash(text); }
  };

  // What the first pass over a batch found out.
  struct BatchCodes {
    // Of spans, events and links: AttributeTable's, by row.
    std::array<std::vector<uint32_t>, kRowTableCount> shapes;
    std::vector<uint32_t> attributes;  // codes, by attribute
    std::vector<uint32_t> names;
    std::vector<uint32_t> status_messages;
    std::vector<uint32_t> trace_states;
    std::vector<uint32_t> event_names;
    std::vector<uint32_t> link_trace_states;
    std::vector<uint32_t> scopes;  // positions in Owners::found
    std::vector<uint32_t> resources;
  };
  // Scopes or resources by their content: equal ones are one. A row of the
  // part only if a span needs it.
  struct Owners {
    struct Origin {
      uint32_t batch = 0;
      uint32_t index = 0;     // in the batch
      uint32_t resource = 0;  // of a scope: in resources_.found
      uint32_t row = kNoRow;
    };
    static constexpr uint32_t kNoRow = UINT32_MAX;

    uint32_t Find(const Origin& origin, const std::vector<uint64_t>& content);
    uint32_t RowOf(uint32_t number);

    std::vector<Origin> found;
    std::vector<std::vector<uint64_t>> contents;  // of found
    boost::unordered_flat_map<uint64_t, uint32_t> by_hash;
    std::vector<uint32_t> rows;  // positions in found
  };

  ColumnBuilder& Field(Table table, ColumnField field) {
    return *fields_[static_cast<size_t>(table)][static_cast<size_t>(field)];
  }
  AttributeTable& Attributes(Table table) {
    return attributes_[static_cast<size_t>(table) - 1];
  }

  void FindShapes();
  void InternBatch(uint32_t number);
  void InternField(Table table, ColumnField field, uint32_t number,
                   std::span<const model::StringCode> texts,
                   std::vector<uint32_t>* codes);
  void InternRootNames();
  void FindOwners(uint32_t number);
  void DescribeAttributes(const model::SpanBatch& batch,
                          model::AttrRange range);
  uint64_t TextNumber(const model::SpanBatch& batch, model::StringCode text);

  // A row group: these traces' spans.
  void AddGroup(std::span<const TraceSlice> traces);
  void AddSpanFields(std::span<const RowRef> rows);
  void AddTimes(std::span<const TraceSlice> traces,
                std::span<const RowRef> rows);
  void AddParents(const TraceSlice& trace, size_t first, uint64_t* out);
  void AddComputed(const TraceSlice& trace, size_t first,
                   const uint64_t* durations, const uint64_t* parents,
                   uint64_t* critical);
  void AddAggregates(const TraceSlice& trace, size_t first,
                     const uint64_t* parents);
  void AddRoot(std::span<const uint64_t> parent_ids,
               std::span<const RowRef> rows);
  void AddTraces(std::span<const TraceSlice> traces,
                 std::span<const RowRef> rows);
  void AddEvents(std::span<const RowRef> rows);
  void AddLinks(std::span<const RowRef> rows);
  void AddAttributes(Table table, std::span<const RowRef> rows);
  template <typename Get>  // uint64_t(const RowRef&, const model::SpanBatch&)
  void Gather(Table table, ColumnField field, std::span<const RowRef> rows,
              const Get& get);
  void GatherTexts(
      Table table, ColumnField field, std::span<const RowRef> rows,
      const std::vector<model::StringCode>& (*texts)(const model::SpanBatch&),
      std::vector<uint32_t> BatchCodes::*codes);

  void AddScopesAndResources();
  void AddOwners(Table table, const Owners& owners);
  void AddOwnerText(Table table, ColumnField field, const Owners& owners,
                    model::StringCode (*text)(const model::SpanBatch&,
                                              uint32_t));
  void FinishChunks(Table table);
  PageRef WriteShapes();
  PageRef WriteTraceIndex();
  void WriteAggregates();
  void TakeColumns();

  const std::span<const model::SpanBatchPtr> batches_;
  PageSink& sink_;
  const PartWriteOptions options_;
  RowOrder order_;
  std::array<std::array<std::unique_ptr<ColumnBuilder>, kColumnFields>,
             kTables + 1>
      fields_;
  std::vector<AttributeTable> attributes_;  // by table, none for traces
  std::vector<BatchCodes> codes_;
  std::vector<TextMemo> memo_;  // InternBatch's
  Owners scopes_;
  Owners resources_;
  // Numbers of the texts of scopes and resources: equal ones have the same.
  boost::unordered_flat_map<std::string_view, uint64_t, TextHash> texts_;
  std::vector<uint64_t> content_;  // FindOwners'
  // The names of the traces' roots, in their order; "" without a root.
  struct RootName {
    uint32_t code = 0;
    uint64_t reference = 0;
  };
  std::vector<RootName> root_names_;
  size_t next_root_ = 0;
  RowGroup group_;
  // Of the row group's spans.
  std::vector<uint64_t> span_ids_;
  std::vector<uint64_t> parent_ids_;
  std::vector<uint64_t> starts_;
  std::vector<uint64_t> ends_;
  std::vector<uint32_t> parent_slots_;  // AddParents' table
  // AddComputed's.
  aggregate::SpanTree tree_;
  std::vector<uint32_t> parent_rows_;
  std::vector<uint8_t> is_parent_;
  std::vector<uint64_t> child_times_;
  std::vector<uint64_t> critical_times_;
  std::unique_ptr<Aggregates> aggregates_;  // null: not wanted
  std::vector<uint32_t> span_shapes_;  // of the row group, AttributeTable's
  Footer footer_;
};

}  // namespace khtrace::storage::columnar
