// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "storage/batch_frame.h"
#include "storage/columnar/part_assembler.h"
#include "storage/columnar/part_frame_impl.h"

// How PartFrame finds and reads little of a row group.

namespace khtrace::storage::columnar {

using model::AttrType;

namespace {

// A trace takes as long to be put together as so many numbers take to be
// decoded. Larger: searches that find a few traces in each row group read more
// than they need.
constexpr uint64_t kNumbersForTrace = 60'000;
// And a text that is in no dictionary as so many.
constexpr uint64_t kNumbersForText = 16;

}  // namespace

Result<std::optional<std::vector<uint32_t>>> PartFrame::RowsWithText(
    size_t index, std::string_view text) {
  using Rows = std::vector<uint32_t>;
  const PartFrames::Source& source = part_.sources_[index];
  const bool one = !source.scopes && !source.mixed &&
                   source.columns.size() == 1 && source.table == Table::kSpan;
  if (!one) return std::optional<Rows>();
  const uint32_t number = source.columns.front();
  const struct Column& column = file_.column(number);
  if (column.type != TypeOf(AttrType::kString) || column.dictionary_size > 0) {
    return std::optional<Rows>();
  }
  bytes_ += column.chunks[group_].page.length;
  Rows positions;
  RETURN_IF_ERROR(file_.FindText(number, group_, text, &positions));
  if (positions.empty() || !column.is_attribute()) {
    return std::optional<Rows>(std::move(positions));
  }
  ASSIGN_OR_RETURN(Rows rows, RowsOfValues(number, positions));
  return std::optional<Rows>(std::move(rows));
}

// The rows that values of an attribute column of spans belong to. As MapRows,
// but no further than the last of them: half of the way on average.
Result<PartFrame::RowNumbers> PartFrame::RowsOfValues(
    uint32_t column, const RowNumbers& positions) {
  Ints& shapes = shapes_[static_cast<size_t>(Table::kSpan)];
  if (shapes.empty()) RETURN_IF_ERROR(Read(Table::kSpan, F::kShape, &shapes));
  ASSIGN_OR_RETURN(const TableShapes* known, file_.Shapes(Table::kSpan));
  const std::span<const uint32_t> values_of = part_.ValuesOf(*known, column);
  RowNumbers rows;
  uint64_t end = 0;  // of the values of the rows so far
  size_t next = 0;
  for (uint32_t row = 0; row < shapes.size(); ++row) {
    if (shapes[row] >= values_of.size()) break;
    end += values_of[shapes[row]];
    if (end <= positions[next]) continue;
    rows.push_back(row);
    // A key may be there twice.
    while (next < positions.size() && positions[next] < end) ++next;
    if (next == positions.size()) return rows;
  }
  return file_.Locate({Code::kDataLoss, "shapes and values do not agree"},
                      column, group_);
}

// Where each trace's events (links) begin, and behind the last one the end.
Result<PartFrame::RowNumbers> PartFrame::Begins(F field, uint32_t rows) {
  Ints counts;
  RETURN_IF_ERROR(Read(Table::kTrace, field, &counts));
  RowNumbers begins(1, 0);
  for (const uint64_t count : counts) {
    if (count > rows - begins.back()) {
      return Damaged(Table::kTrace, field, "more rows than the row group has");
    }
    begins.push_back(begins.back() + static_cast<uint32_t>(count));
  }
  return begins;
}

// Of the columns of the request that were not read yet, in numbers.
uint64_t PartFrame::CostOfTheRest() const {
  uint64_t cost = 0;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i]) continue;
    for (const uint32_t number : part_.sources_[i].columns) {
      const struct Column& column = file_.column(number);
      const bool texts = column.is_text() && column.dictionary_size == 0;
      cost += uint64_t{column.chunks[group_].values} *
              (texts ? kNumbersForText : 1);
    }
  }
  return cost;
}

std::vector<uint8_t> PartFrame::RequestedColumns() const {
  std::vector<uint8_t> requested(file_.footer().columns.size(), 0);
  for (size_t i = 0; i < columns_.size(); ++i) {
    for (const uint32_t number : part_.sources_[i].columns) {
      requested[number] = 1;
    }
  }
  return requested;
}

Result<std::unique_ptr<TraceFrame>> PartFrame::Narrow(
    std::span<const uint32_t> chosen) {
  if (chosen.size() * kNumbersForTrace > CostOfTheRest()) {
    return std::unique_ptr<TraceFrame>();
  }
  const std::vector<uint8_t> requested = RequestedColumns();
  ASSIGN_OR_RETURN(const FrameTraces* traces, Traces());
  ASSIGN_OR_RETURN(const RowNumbers events, Begins(F::kEvents, rows_.events));
  ASSIGN_OR_RETURN(const RowNumbers links, Begins(F::kLinks, rows_.links));
  std::vector<model::RowRef> rows;
  std::vector<model::SpanBatchPtr> batches;
  for (const uint32_t trace : chosen) {
    TraceRange range;
    range.group = group_;
    range.first_trace = trace;
    range.traces = 1;
    range.first_span = traces->first_rows[trace];
    range.spans = traces->first_rows[trace + 1] - range.first_span;
    range.first_event = events[trace];
    range.events = events[trace + 1] - events[trace];
    range.first_link = links[trace];
    range.links = links[trace + 1] - links[trace];
    BatchAssembler assembler(file_);
    assembler.Only(requested);
    ASSIGN_OR_RETURN(model::SpanBatchPtr batch,
                     assembler.Assemble(range, part_.scopes_));
    for (model::RowIndex row = 0; row < batch->row_count(); ++row) {
      rows.push_back({batch.get(), row});
    }
    batches.push_back(std::move(batch));
  }
  return MakeBatchFrame(part_.request_, std::move(rows), std::move(batches));
}

}  // namespace khtrace::storage::columnar
