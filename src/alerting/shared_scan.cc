// SPDX-License-Identifier: Apache-2.0
#include "alerting/shared_scan.h"

#include <algorithm>
#include <utility>

namespace khtrace::alerting {
namespace {

using storage::FrameColumn;
using storage::FrameKey;
using storage::FrameRequest;
using storage::FrameScan;
using storage::FrameTraces;
using storage::TraceFrame;

// Spans of frames that are kept, some 50 bytes each for a handful of columns.
// Larger: windows with more spans are decoded once; more memory for a round.
constexpr uint64_t kMaxKeptSpans = 1'000'000;
// Attributes that queries named. Beyond it, those of old queries are dropped.
constexpr size_t kMaxColumns = 500;

}  // namespace

struct SharedScanReader::Kept {
  std::string tenant;
  UnixNanos start;
  UnixNanos end;
  UnixNanos spans_start;
  std::vector<FrameKey> columns;
  std::unique_ptr<FrameScan> scan;
  std::vector<std::unique_ptr<TraceFrame>> frames;  // by unit; nullptr: not yet
  uint64_t spans = 0;                               // of the frames
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

  size_t unit_count() const override { return kept_->scan->unit_count(); }
  UnixNanos newest_start(size_t unit) const override {
    return kept_->scan->newest_start(unit);
  }
  std::string identity(size_t unit) const override {
    return kept_->scan->identity(unit);
  }
  void NoteLoss(size_t unit, const Error& error) const override {
    kept_->scan->NoteLoss(unit, error);
  }
  Result<std::unique_ptr<TraceFrame>> Open(const RequestContext& context,
                                           size_t unit) const override {
    std::unique_ptr<TraceFrame>& known = kept_->frames[unit];
    if (known != nullptr) return View(*known, nullptr);
    ASSIGN_OR_RETURN(std::unique_ptr<TraceFrame> frame,
                     kept_->scan->Open(context, unit));
    TraceFrame& opened = *frame;
    if (kept_->spans + opened.span_count() > kMaxKeptSpans) {
      return View(opened, std::move(frame));
    }
    kept_->spans += opened.span_count();
    known = std::move(frame);
    return View(opened, nullptr);
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

void SharedScanReader::Reset() { kept_.reset(); }

Result<std::unique_ptr<FrameScan>> SharedScanReader::Scan(
    const RequestContext& context, const FrameRequest& request) {
  if (columns_.size() > kMaxColumns) columns_.clear();
  std::vector<size_t> indexes;
  for (const FrameKey& key : request.columns) {
    const auto found = std::find(columns_.begin(), columns_.end(), key);
    indexes.push_back(static_cast<size_t>(found - columns_.begin()));
    if (found == columns_.end()) columns_.push_back(key);
  }
  const bool fits =
      kept_ != nullptr && kept_->tenant == context.tenant &&
      kept_->start == request.start && kept_->end == request.end &&
      kept_->spans_start == request.spans_start &&
      kept_->columns.size() >= columns_.size() &&
      std::equal(columns_.begin(), columns_.end(), kept_->columns.begin());
  if (!fits) {
    auto fresh = std::make_shared<Kept>();
    fresh->tenant = context.tenant;
    fresh->start = request.start;
    fresh->end = request.end;
    fresh->spans_start = request.spans_start;
    fresh->columns = columns_;
    FrameRequest all = request;
    all.columns = columns_;
    ASSIGN_OR_RETURN(fresh->scan, reader_.Scan(context, all));
    fresh->frames.resize(fresh->scan->unit_count());
    kept_ = std::move(fresh);
  }
  return std::unique_ptr<FrameScan>(
      std::make_unique<ScanView<Kept>>(kept_, std::move(indexes)));
}

}  // namespace khtrace::alerting
