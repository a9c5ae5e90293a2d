// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/columnar/part_frame.h"
#include "storage/columnar/part_frame_values.h"

namespace khtrace::storage::columnar {

// The spans of one row group.
class PartFrame : public TraceFrame {
 public:
  using F = ColumnField;
  PartFrame(const PartFrames& part, size_t group,
            std::vector<uint32_t> excluded)
      : part_(part),
        file_(part.file_),
        group_(group),
        rows_(file_.footer().groups[group]),
        columns_(part.request_->columns.size()) {
    traces_.excluded = std::move(excluded);
  }

  uint32_t span_count() const override { return rows_.spans; }
  uint32_t trace_count() const override { return rows_.traces; }
  uint64_t bytes_read() const override { return bytes_; }

  Result<const FrameTraces*> Traces() override;
  Result<const std::vector<model::TraceId>*> TraceIds() override;
  Result<const std::vector<uint32_t>*> Parents() override;
  Result<const std::vector<uint32_t>*> EventEnds() override {
    return Ends(F::kEvents, rows_.events, &event_ends_);
  }
  Result<const std::vector<uint32_t>*> LinkEnds() override {
    return Ends(F::kLinks, rows_.links, &link_ends_);
  }
  Result<const FrameColumn*> Column(size_t index) override;
  void Forget(size_t index) override { columns_[index].reset(); }
  Result<bool> MayHaveText(size_t index, std::string_view text) override;
  Result<bool> MayHaveInt(size_t index, int64_t low, int64_t high) override;
  Result<std::optional<std::vector<uint32_t>>> RowsWithText(
      size_t index, std::string_view text) override;
  Result<std::unique_ptr<TraceFrame>> Narrow(
      std::span<const uint32_t> traces) override;

 private:
  using Ints = std::vector<uint64_t>;
  using RowNumbers = std::vector<uint32_t>;

  Status Read(uint32_t column, Ints* out);
  Status Read(Table table, F field, Ints* out) {
    return Read(file_.Field(table, field), out);
  }
  Error Damaged(Table table, F field, std::string_view what) const {
    return file_.Locate({Code::kDataLoss, std::string(what)},
                        file_.Field(table, field), group_);
  }
  Result<const RowNumbers*> Ends(F field, uint32_t rows,
                                 std::optional<RowNumbers>* ends);
  Result<RowNumbers> Begins(F field, uint32_t rows);
  Result<RowNumbers> RowsOfValues(uint32_t column, const RowNumbers& positions);
  uint64_t CostOfTheRest() const;
  std::vector<uint8_t> RequestedColumns() const;
  Result<const Ints*> ParentCodes();
  Status Make(size_t index, FrameColumn* out);
  Status MakeField(const FrameKey& key, FrameColumn* out);
  Status MakeText(const PartFrames::Source& source, FrameColumn* out);
  Status MakeScopes(const PartFrames::Source& source, FrameColumn* out);
  Status MakeStarts(FrameColumn* out);
  Status MakeParentIds(FrameColumn* out);
  Status MakeEventTimes(FrameColumn* out);
  Status MakeLinkTraceIds(FrameColumn* out);
  Status MakeAttribute(size_t index, FrameColumn* out);
  Status MakeOneColumn(const PartFrames::Source& source, const RowMap& rows,
                       FrameColumn* out);
  Status MakeManyColumns(const PartFrames::Source& source, std::string_view key,
                         FrameColumn* out);
  Status AddValues(uint32_t column, std::string_view key, const RowMap& rows,
                   FrameColumn* out);
  Status AddMixed(uint32_t column, std::string_view key, const RowMap& rows,
                  FrameColumn* out);
  Result<RowMap> MapRows(Table table, uint32_t column);

  const PartFrames& part_;
  const PartFile& file_;
  const size_t group_;
  const RowGroup& rows_;
  uint64_t bytes_ = 0;
  FrameTraces traces_;
  bool has_traces_ = false;
  std::vector<model::TraceId> ids_;
  std::optional<RowNumbers> parents_;
  Ints parent_codes_;
  std::optional<RowNumbers> event_ends_;
  std::optional<RowNumbers> link_ends_;
  std::array<Ints, kTables + 1> shapes_;
  std::vector<std::optional<FrameColumn>> columns_;
  std::deque<DecodedTexts> texts_;     // what values point into
  std::deque<std::string> own_texts_;  // likewise
};

}  // namespace khtrace::storage::columnar
