// SPDX-License-Identifier: Apache-2.0
#include "alerting/kept_spans.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "alerting/kept_column.h"
#include "base/check.h"
#include "base/hash.h"

namespace khtrace::alerting {

using storage::FrameColumn;
using storage::FrameField;
using storage::FrameKey;
using storage::FrameTraces;
using storage::TraceFrame;

// A slice, seen as a frame. Lives as long as its KeptSpans.
class KeptSpans::SliceFrame : public TraceFrame {
 public:
  SliceFrame(KeptSpans& all, const Slice& slice)
      : all_(all),
        slice_(slice),
        first_row_(all.first_rows_[slice.first_trace]),
        end_row_(all.first_rows_[slice.end_trace]),
        columns_(all.columns_.size()) {}

  uint32_t span_count() const override { return end_row_ - first_row_; }
  uint32_t trace_count() const override {
    return static_cast<uint32_t>(slice_.end_trace - slice_.first_trace);
  }
  uint64_t bytes_read() const override { return 0; }
  Result<const FrameTraces*> Traces() override;
  Result<const std::vector<model::TraceId>*> TraceIds() override;
  Result<const std::vector<uint32_t>*> Parents() override;
  Result<const std::vector<uint32_t>*> EventEnds() override {
    return EndsOf(Owner::kEvent);
  }
  Result<const std::vector<uint32_t>*> LinkEnds() override {
    return EndsOf(Owner::kLink);
  }
  Result<const FrameColumn*> Column(size_t index) override;
  void Forget(size_t index) override { columns_[index].reset(); }
  Result<bool> MayHaveText(size_t, std::string_view) override { return true; }
  Result<bool> MayHaveInt(size_t, int64_t, int64_t) override { return true; }

 private:
  // The slice's events or links, of those of all spans.
  Result<std::pair<uint32_t, uint32_t>> PlaceOf(Owner owner);
  Result<const std::vector<uint32_t>*> EndsOf(Owner owner);

  KeptSpans& all_;
  const Slice& slice_;
  const uint32_t first_row_;
  const uint32_t end_row_;
  std::optional<FrameTraces> traces_;
  std::optional<std::vector<model::TraceId>> ids_;
  std::optional<std::vector<uint32_t>> parents_;
  std::optional<std::vector<uint32_t>> ends_[2];
  std::vector<std::optional<FrameColumn>> columns_;
};

Result<const FrameTraces*> KeptSpans::SliceFrame::Traces() {
  if (traces_) return &*traces_;
  traces_.emplace();
  for (size_t t = slice_.first_trace; t < slice_.end_trace; ++t) {
    traces_->starts.push_back(all_.traces_[t].start);
    traces_->durations.push_back(all_.traces_[t].duration);
    traces_->first_rows.push_back(all_.first_rows_[t] - first_row_);
  }
  traces_->first_rows.push_back(span_count());
  return &*traces_;
}

Result<const std::vector<model::TraceId>*> KeptSpans::SliceFrame::TraceIds() {
  if (ids_) return &*ids_;
  ids_.emplace();
  for (size_t t = slice_.first_trace; t < slice_.end_trace; ++t) {
    ids_->push_back(all_.traces_[t].id);
  }
  return &*ids_;
}

Result<const std::vector<uint32_t>*> KeptSpans::SliceFrame::Parents() {
  if (parents_) return &*parents_;
  ASSIGN_OR_RETURN(const std::vector<uint32_t>* all, all_.Parents());
  parents_.emplace();
  for (uint32_t row = first_row_; row < end_row_; ++row) {
    const uint32_t parent = (*all)[row];
    parents_->push_back(parent >= kOrphan ? parent : parent - first_row_);
  }
  return &*parents_;
}

Result<std::pair<uint32_t, uint32_t>> KeptSpans::SliceFrame::PlaceOf(
    Owner owner) {
  if (owner == Owner::kSpan) return std::pair(first_row_, end_row_);
  ASSIGN_OR_RETURN(const std::vector<uint32_t>* ends, all_.Ends(owner));
  const auto end_of = [&](uint32_t row) {
    return row == 0 ? 0 : (*ends)[row - 1];
  };
  return std::pair(end_of(first_row_), end_of(end_row_));
}

Result<const std::vector<uint32_t>*> KeptSpans::SliceFrame::EndsOf(
    Owner owner) {
  auto& own = ends_[owner == Owner::kLink];
  if (own) return &*own;
  ASSIGN_OR_RETURN(const std::vector<uint32_t>* all, all_.Ends(owner));
  ASSIGN_OR_RETURN(const auto place, PlaceOf(owner));
  own.emplace();
  for (uint32_t row = first_row_; row < end_row_; ++row) {
    own->push_back((*all)[row] - place.first);
  }
  return &*own;
}

Result<const FrameColumn*> KeptSpans::SliceFrame::Column(size_t index) {
  std::optional<FrameColumn>& column = columns_[index];
  if (column) return &*column;
  ASSIGN_OR_RETURN(const FrameColumn* all, all_.Column(index));
  ASSIGN_OR_RETURN(const auto place,
                   PlaceOf(OwnerOf(all_.columns_[index].field)));
  column = CutColumn(*all, place.first, place.second);
  return &*column;
}

KeptSpans::KeptSpans(std::vector<FrameKey> columns, UnixNanos start,
                     UnixNanos end, std::chrono::nanoseconds width)
    : columns_(std::move(columns)),
      start_(start),
      end_(end),
      width_(width),
      gathered_(columns_.size()) {}

KeptSpans::~KeptSpans() = default;

Result<uint64_t> KeptSpans::Relevant(TraceFrame& frame, UnixNanos start) {
  ASSIGN_OR_RETURN(const FrameTraces* traces, frame.Traces());
  uint64_t spans = 0;
  for (size_t t = 0; t < traces->starts.size(); ++t) {
    if (traces->starts[t] + traces->durations[t] < start.ns) continue;
    spans += traces->first_rows[t + 1] - traces->first_rows[t];
  }
  return spans;
}

Status KeptSpans::Add(size_t unit, std::unique_ptr<TraceFrame> frame) {
  ASSIGN_OR_RETURN(const FrameTraces* traces, frame->Traces());
  ASSIGN_OR_RETURN(const std::vector<model::TraceId>* ids, frame->TraceIds());
  const auto source = static_cast<uint32_t>(sources_.size());
  const std::vector<uint32_t>& excluded = traces->excluded;
  for (uint32_t t = 0; t < traces->starts.size(); ++t) {
    if (traces->starts[t] + traces->durations[t] < start_.ns ||
        traces->starts[t] > end_.ns ||
        std::binary_search(excluded.begin(), excluded.end(), t)) {
      continue;
    }
    const uint32_t first = traces->first_rows[t];
    traces_.push_back({source, t, traces->starts[t], traces->durations[t],
                       (*ids)[t], first, traces->first_rows[t + 1] - first});
  }
  sources_.push_back({unit, std::move(frame)});
  return {};
}

Status KeptSpans::Finish() {
  std::sort(traces_.begin(), traces_.end(), [](const Trace& a, const Trace& b) {
    return a.start != b.start ? a.start > b.start : a.id < b.id;
  });
  MakeRanges();
  MakeSlices();
  return NameSlices();
}

void KeptSpans::MakeRanges() {
  uint32_t row = 0;
  for (const Trace& trace : traces_) {
    first_rows_.push_back(row);
    span_ranges_.push_back(
        {trace.source, trace.first_row, trace.row_count, row});
    row += trace.row_count;
  }
  first_rows_.push_back(row);
}

void KeptSpans::MakeSlices() {
  const auto width =
      static_cast<uint64_t>(std::max<int64_t>(width_.count(), 1));
  for (size_t t = 0; t < traces_.size(); ++t) {
    const bool same =
        t > 0 && traces_[t].start / width == traces_[t - 1].start / width;
    if (!same) slices_.push_back({t, t, {traces_[t].start}, ""});
    slices_.back().end_trace = t + 1;
  }
  frames_.resize(slices_.size());
}

size_t KeptSpans::IndexOf(FrameField field) const {
  const auto found =
      std::find_if(columns_.begin(), columns_.end(),
                   [field](const FrameKey& key) { return key.field == field; });
  KHTRACE_CHECK(found != columns_.end());
  return static_cast<size_t>(found - columns_.begin());
}

// Spans that are the same (storage::TraceWriter::Write) are told apart by trace
// id, span id, kind and start: these name the content. Two hashes of 64 bits.
Status KeptSpans::NameSlices() {
  if (traces_.empty()) return {};
  ASSIGN_OR_RETURN(const FrameColumn* ids,
                   Column(IndexOf(FrameField::kSpanId)));
  ASSIGN_OR_RETURN(const FrameColumn* kinds,
                   Column(IndexOf(FrameField::kKind)));
  ASSIGN_OR_RETURN(const FrameColumn* starts,
                   Column(IndexOf(FrameField::kStart)));
  for (Slice& slice : slices_) {
    bool inside = true;
    uint64_t first = 0;
    uint64_t second = 0;
    for (size_t t = slice.first_trace; t < slice.end_trace && inside; ++t) {
      const model::TraceId& id = traces_[t].id;
      first = Mix64(first ^ id.low);
      second = Mix64(second + id.high);
      for (uint32_t row = first_rows_[t]; row < first_rows_[t + 1]; ++row) {
        const uint64_t start = starts->bits[row];
        inside &= start > start_.ns && start <= end_.ns;
        first = Mix64(first ^ ids->bits[row]);
        second = Mix64(second + start * 8 + kinds->bits[row]);
      }
    }
    if (!inside) continue;
    slice.identity = fmt::format(
        "{}+{}:{:016x}{:016x}", slice.end_trace - slice.first_trace,
        first_rows_[slice.end_trace] - first_rows_[slice.first_trace], first,
        second);
  }
  return {};
}

TraceFrame& KeptSpans::Open(size_t slice) {
  std::unique_ptr<SliceFrame>& frame = frames_[slice];
  if (frame == nullptr) {
    frame = std::make_unique<SliceFrame>(*this, slices_[slice]);
  }
  return *frame;
}

KeptSpans::Owner KeptSpans::OwnerOf(FrameField field) {
  switch (field) {
    case FrameField::kEventName:
    case FrameField::kEventTime:
    case FrameField::kEventAttribute:
      return Owner::kEvent;
    case FrameField::kLinkTraceId:
    case FrameField::kLinkSpanId:
    case FrameField::kLinkAttribute:
      return Owner::kLink;
    default:
      return Owner::kSpan;
  }
}

Error KeptSpans::Blame(uint32_t source, Error error) {
  if (error.code == Code::kDataLoss) damaged_ = sources_[source].unit;
  return error;
}

Result<const FrameColumn*> KeptSpans::Column(size_t index) {
  std::optional<FrameColumn>& column = gathered_[index];
  if (!column) {
    ASSIGN_OR_RETURN(column, Gather(index));
  }
  return &*column;
}

Result<FrameColumn> KeptSpans::Gather(size_t index) {
  ASSIGN_OR_RETURN(const std::vector<Range>* ranges,
                   RangesOf(OwnerOf(columns_[index].field)));
  std::vector<const FrameColumn*> columns(sources_.size());
  for (uint32_t s = 0; s < sources_.size(); ++s) {
    auto column = sources_[s].frame->Column(index);
    if (!column) return Blame(s, std::move(column).error());
    columns[s] = *column;
  }
  std::vector<ColumnPiece> pieces;
  pieces.reserve(ranges->size());
  uint32_t rows = 0;
  for (const Range& range : *ranges) {
    pieces.push_back(
        {columns[range.source], range.begin, range.count, range.to});
    rows = range.to + range.count;
  }
  FrameColumn joined = JoinColumns(pieces, rows);
  // Its texts live as long as the frames.
  for (const Source& source : sources_) source.frame->Forget(index);
  return joined;
}

// Of events and links: by trace, as those of spans are.
Result<const std::vector<KeptSpans::Range>*> KeptSpans::RangesOf(Owner owner) {
  if (owner == Owner::kSpan) return &span_ranges_;
  auto& own = ranges_[owner == Owner::kLink];
  if (own) return &*own;
  std::vector<const std::vector<uint32_t>*> ends(sources_.size());
  for (uint32_t s = 0; s < sources_.size(); ++s) {
    TraceFrame& frame = *sources_[s].frame;
    auto found = owner == Owner::kEvent ? frame.EventEnds() : frame.LinkEnds();
    if (!found) return Blame(s, std::move(found).error());
    ends[s] = *found;
  }
  own.emplace();
  uint32_t to = 0;
  for (const Range& rows : span_ranges_) {
    const std::vector<uint32_t>& of = *ends[rows.source];
    const uint32_t begin = rows.begin == 0 ? 0 : of[rows.begin - 1];
    const uint32_t end =
        rows.begin + rows.count == 0 ? 0 : of[rows.begin + rows.count - 1];
    own->push_back({rows.source, begin, end - begin, to});
    to += end - begin;
  }
  return &*own;
}

Result<const std::vector<uint32_t>*> KeptSpans::Ends(Owner owner) {
  auto& own = ends_[owner == Owner::kLink];
  if (own) return &*own;
  ASSIGN_OR_RETURN(const std::vector<Range>* ranges, RangesOf(owner));
  std::vector<uint32_t> made;
  made.reserve(first_rows_.back());
  for (size_t t = 0; t < span_ranges_.size(); ++t) {
    const Range& rows = span_ranges_[t];
    TraceFrame& frame = *sources_[rows.source].frame;
    ASSIGN_OR_RETURN(const std::vector<uint32_t>* of, owner == Owner::kEvent
                                                          ? frame.EventEnds()
                                                          : frame.LinkEnds());
    for (uint32_t i = 0; i < rows.count; ++i) {
      made.push_back((*of)[rows.begin + i] - (*ranges)[t].begin +
                     (*ranges)[t].to);
    }
  }
  own = std::move(made);
  return &*own;
}

Result<const std::vector<uint32_t>*> KeptSpans::Parents() {
  if (parents_) return &*parents_;
  std::vector<uint32_t> made;
  made.reserve(first_rows_.back());
  for (const Range& rows : span_ranges_) {
    auto of = sources_[rows.source].frame->Parents();
    if (!of) return Blame(rows.source, std::move(of).error());
    for (uint32_t i = 0; i < rows.count; ++i) {
      const uint32_t parent = (**of)[rows.begin + i];
      made.push_back(parent >= TraceFrame::kOrphan
                         ? parent
                         : parent - rows.begin + rows.to);
    }
  }
  parents_ = std::move(made);
  return &*parents_;
}

}  // namespace khtrace::alerting
