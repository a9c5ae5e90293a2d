// SPDX-License-Identifier: Apache-2.0
#include "alerting/shared_scan.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "alerting/kept_spans.h"

namespace khtrace::alerting {
namespace {

using storage::FrameColumn;
using storage::FrameField;
using storage::FrameKey;
using storage::FrameRequest;
using storage::FrameScan;
using storage::FrameTraces;
using storage::TraceFrame;

// Spans that are kept, some 50 bytes each for a handful of columns, of all
// windows together. Larger: windows with more spans are decoded once; more
// memory for a round.
constexpr uint64_t kMaxKeptSpans = 1'000'000;
// Attributes that queries named. Beyond it, those of old queries are dropped.
constexpr size_t kMaxColumns = 500;
// Slices of a window. More: less is evaluated anew each round, at its edges and
// where late spans came in; more merging, and more memory for what slices gave.
constexpr int kSlices = 32;
// Windows of rules whose spans are kept.
constexpr size_t kMaxWindows = 8;

// What slices are named by.
const std::vector<FrameKey>& BaseColumns() {
  static const std::vector<FrameKey> columns = {{FrameField::kStart, ""},
                                                {FrameField::kKind, ""},
                                                {FrameField::kSpanId, ""}};
  return columns;
}

}  // namespace

// What one scan of the store gave.
struct SharedScanReader::Kept {
  // A slice of `spans`, or a unit of the scan that was not kept.
  struct Unit {
    bool slice = false;
    size_t number = 0;
    UnixNanos newest;
  };

  std::string tenant;
  UnixNanos start;
  UnixNanos end;
  UnixNanos spans_start;
  std::vector<FrameKey> columns;
  std::unique_ptr<FrameScan> scan;
  std::unique_ptr<KeptSpans> spans;
  uint64_t span_count = 0;
  std::vector<Unit> units;

  // Of the slices: depends on nothing but how long the window is, so that a
  // slice is the same in every round.
  std::chrono::nanoseconds width() const {
    return std::chrono::nanoseconds((end.ns - start.ns) / kSlices);
  }
};

namespace {

// A frame of many columns, seen as one of those that a query asked for.
class FrameView : public TraceFrame {
 public:
  // `own` is `frame` if nobody else keeps it.
  FrameView(TraceFrame& frame, std::unique_ptr<TraceFrame> own,
            const std::vector<size_t>& columns)
      : frame_(frame), own_(std::move(own)), columns_(columns) {}

  uint32_t span_count() const override { return frame_.span_count(); }
  uint32_t trace_count() const override { return frame_.trace_count(); }
  uint64_t bytes_read() const override { return frame_.bytes_read(); }
  Result<const FrameTraces*> Traces() override { return frame_.Traces(); }
  Result<const std::vector<model::TraceId>*> TraceIds() override {
    return frame_.TraceIds();
  }
  Result<const std::vector<uint32_t>*> Parents() override {
    return frame_.Parents();
  }
  Result<const std::vector<uint32_t>*> EventEnds() override {
    return frame_.EventEnds();
  }
  Result<const std::vector<uint32_t>*> LinkEnds() override {
    return frame_.LinkEnds();
  }
  Result<const FrameColumn*> Column(size_t index) override {
    return frame_.Column(columns_[index]);
  }
  // The next query wants it again.
  void Forget(size_t index) override {
    if (own_ != nullptr) frame_.Forget(columns_[index]);
  }
  Result<bool> MayHaveText(size_t index, std::string_view text) override {
    return frame_.MayHaveText(columns_[index], text);
  }
  Result<bool> MayHaveInt(size_t index, int64_t low, int64_t high) override {
    return frame_.MayHaveInt(columns_[index], low, high);
  }

 private:
  TraceFrame& frame_;
  const std::unique_ptr<TraceFrame> own_;
  const std::vector<size_t>& columns_;
};

// `Kept` is SharedScanReader::Kept, which is nobody else's business.
template <typename Kept>
class ScanView : public FrameScan {
 public:
  ScanView(std::shared_ptr<Kept> kept, std::vector<size_t> columns)
      : kept_(std::move(kept)), columns_(std::move(columns)) {}

  size_t unit_count() const override { return kept_->units.size(); }
  UnixNanos newest_start(size_t unit) const override {
    return kept_->units[unit].newest;
  }
  // Of slices only: units of the scan may have spans outside the window.
  std::string identity(size_t unit) const override {
    const auto& of = kept_->units[unit];
    return of.slice ? kept_->spans->slices()[of.number].identity : "";
  }
  void NoteLoss(size_t unit, const Error& error) const override {
    const auto& of = kept_->units[unit];
    const auto lost = of.slice ? kept_->spans->damaged() : of.number;
    if (lost) kept_->scan->NoteLoss(*lost, error);
  }
  Result<std::unique_ptr<TraceFrame>> Open(const RequestContext& context,
                                           size_t unit) const override {
    const auto& of = kept_->units[unit];
    if (of.slice) return View(kept_->spans->Open(of.number), nullptr);
    ASSIGN_OR_RETURN(std::unique_ptr<TraceFrame> frame,
                     kept_->scan->Open(context, of.number));
    TraceFrame& opened = *frame;
    return View(opened, std::move(frame));
  }

 private:
  std::unique_ptr<TraceFrame> View(TraceFrame& frame,
                                   std::unique_ptr<TraceFrame> own) const {
    return std::make_unique<FrameView>(frame, std::move(own), columns_);
  }

  const std::shared_ptr<Kept> kept_;
  const std::vector<size_t> columns_;
};

}  // namespace

SharedScanReader::~SharedScanReader() = default;

void SharedScanReader::Reset() { kept_.clear(); }

// Opens the units of the scan, newest first, as far as there is room.
Status SharedScanReader::Fill(const RequestContext& context, Kept* kept) const {
  uint64_t room = kMaxKeptSpans;
  for (const auto& other : kept_) {
    room -= std::min(room, other->span_count);
  }
  kept->spans = std::make_unique<KeptSpans>(kept->columns, kept->start,
                                            kept->end, kept->width());
  for (size_t unit = 0; unit < kept->scan->unit_count(); ++unit) {
    RETURN_IF_ERROR(context.Check());
    const auto leave = [&] {
      kept->units.push_back({false, unit, kept->scan->newest_start(unit)});
    };
    // What lies in a part need not be opened to see that it is too much.
    const bool full = kept->span_count >= room;
    if (full && !kept->scan->identity(unit).empty()) {
      leave();
      continue;
    }
    auto frame = kept->scan->Open(context, unit);
    const auto spans = frame ? KeptSpans::Relevant(**frame, kept->spans_start)
                             : Result<uint64_t>(Error(frame.error()));
    if (spans && *spans == 0) continue;
    // Who opens it again meets the error, and may leave the unit out.
    if (!spans || kept->span_count + *spans > room ||
        !kept->spans->Add(unit, *std::move(frame))) {
      leave();
      continue;
    }
    kept->span_count += *spans;
  }
  RETURN_IF_ERROR(kept->spans->Finish());
  const auto& slices = kept->spans->slices();
  for (size_t s = 0; s < slices.size(); ++s) {
    kept->units.push_back({true, s, slices[s].newest_start});
  }
  std::stable_sort(
      kept->units.begin(), kept->units.end(),
      [](const auto& a, const auto& b) { return a.newest > b.newest; });
  return {};
}

Result<std::unique_ptr<FrameScan>> SharedScanReader::Scan(
    const RequestContext& context, const FrameRequest& request) {
  if (columns_.empty() || columns_.size() > kMaxColumns) {
    columns_ = BaseColumns();
  }
  std::vector<size_t> indexes;
  for (const FrameKey& key : request.columns) {
    const auto found = std::find(columns_.begin(), columns_.end(), key);
    indexes.push_back(static_cast<size_t>(found - columns_.begin()));
    if (found == columns_.end()) columns_.push_back(key);
  }
  const auto same_window = [&](const std::shared_ptr<Kept>& kept) {
    return kept->tenant == context.tenant && kept->start == request.start &&
           kept->end == request.end && kept->spans_start == request.spans_start;
  };
  auto found = std::find_if(kept_.begin(), kept_.end(), same_window);
  const bool fits =
      found != kept_.end() && (*found)->columns.size() >= columns_.size() &&
      std::equal(columns_.begin(), columns_.end(), (*found)->columns.begin());
  if (!fits) {
    if (found != kept_.end()) kept_.erase(found);
    if (kept_.size() == kMaxWindows) kept_.erase(kept_.begin());
    auto fresh = std::make_shared<Kept>();
    fresh->tenant = context.tenant;
    fresh->start = request.start;
    fresh->end = request.end;
    fresh->spans_start = request.spans_start;
    fresh->columns = columns_;
    FrameRequest all = request;
    all.columns = columns_;
    ASSIGN_OR_RETURN(fresh->scan, reader_.Scan(context, all));
    RETURN_IF_ERROR(Fill(context, fresh.get()));
    kept_.push_back(std::move(fresh));
    found = kept_.end() - 1;
  }
  return std::unique_ptr<FrameScan>(
      std::make_unique<ScanView<Kept>>(*found, std::move(indexes)));
}

}  // namespace khtrace::alerting
