// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/span_batch.h"
#include "storage/columnar/part_file.h"

namespace khtrace::storage::columnar {

// Whole neighbouring traces of one row group, by their place in its tables.
struct TraceRange {
  size_t group = 0;
  uint32_t first_trace = 0;
  uint32_t traces = 0;
  uint32_t first_span = 0;
  uint32_t spans = 0;
  uint32_t first_event = 0;
  uint32_t events = 0;
  uint32_t first_link = 0;
  uint32_t links = 0;
};

// Turns columns back into a batch. Used once, confined to one thread.
class BatchAssembler {
 public:
  // `file` outlives the assembler.
  explicit BatchAssembler(const PartFile& file);

  // Leaves out the values of all attribute and text columns but those that
  // have a 1 here (by column). Before Assemble.
  void Only(std::vector<uint8_t> columns) { wanted_ = std::move(columns); }

  // All spans of `range`, with those of `scopes` (what AssembleScopes gave)
  // that they need. kDataLoss: a page is corrupt or contradicts others.
  Result<model::SpanBatchPtr> Assemble(const TraceRange& range,
                                       const model::SpanBatch& scopes);
  // No spans, but every scope and resource of the part, in its order.
  Result<model::SpanBatchPtr> AssembleScopes();

 private:
  // Rows [first, first + n) of a table in a row group.
  struct Rows {
    Table table;
    size_t group;
    uint32_t first;
    uint32_t n;
  };
  // A column's values for such rows.
  struct Values {
    uint32_t first = 0;  // position in the chunk
    uint32_t count = 0;
    uint32_t next = 0;
    model::KeyCode key = 0;
    std::vector<uint64_t> payloads;
  };

  template <typename T>
  Status ReadField(const Rows& rows, ColumnField field, std::vector<T>* out);
  Status ReadTextField(const Rows& rows, ColumnField field,
                       std::vector<model::StringCode>* out);
  // The codes of texts [first, first + n) of a chunk.
  Status ReadTextCodes(uint32_t column, size_t group, uint32_t first,
                       uint32_t n, std::vector<uint64_t>* out);
  Status ReadAttributes(const Rows& rows, std::vector<model::AttrRange>* out);
  Status LocateValues(const Rows& rows, const TableShapes& shapes,
                      std::span<const uint64_t> codes);
  Status ReadValues(uint32_t column, size_t group);
  Status ReadMixed(uint32_t column, size_t group, Values* values);
  void AddValue(const Column& column, Values* values);

  Status ReadSpans(const Rows& rows);
  Status ReadTraces(const TraceRange& range);
  Status ReadParents(const Rows& rows, std::span<const uint64_t> trace_spans);
  Status ReadUnknownParents(const Rows& rows,
                            std::span<const uint64_t> parents);
  Status ReadScopes(const Rows& rows, const model::SpanBatch& scopes);
  uint32_t CopyResource(const model::SpanBatch& scopes, uint32_t resource,
                        std::vector<uint32_t>* copied);
  model::AttrRange CopyAttributes(const model::SpanBatch& scopes,
                                  model::AttrRange range);
  Status ReadEvents(const TraceRange& range);
  Status ReadLinks(const TraceRange& range);

  Error Damaged(Table table, ColumnField field, size_t group,
                std::string_view what) const;
  bool Wants(uint32_t column) const {
    return wanted_.empty() || wanted_[column] != 0;
  }
  model::StringCode AddText(std::string_view text);
  model::KeyCode KeyOf(std::string_view key);

  const PartFile& file_;
  model::SpanBatchData data_;
  boost::unordered_flat_map<std::string_view, model::KeyCode> keys_;
  std::vector<Values> values_;      // by column
  std::vector<uint32_t> involved_;  // columns of values_ in use
  std::vector<uint8_t> wanted_;     // by column; empty: all
  // Values of mixed columns, decoded: payloads index it.
  std::vector<model::Attr> mixed_;
  std::vector<DecodedTexts> held_;  // what keys_ points into
};

}  // namespace khtrace::storage::columnar
