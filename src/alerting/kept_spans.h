// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/ids.h"
#include "storage/trace_frame.h"

namespace khtrace::alerting {

// The spans of one window, brought together from many frames for queries that
// follow each other: traces in order of time, cut into slices of equal width.
// A slice of the past is the same the next time, wherever its spans lie by
// then, and its identity says so. Texts become codes: what a query finds out
// about a text, it finds out once. Confined to one thread.
class KeptSpans {
 public:
  // Traces that began in the same `width` of time; newest slices first.
  struct Slice {
    size_t first_trace = 0;
    size_t end_trace = 0;
    UnixNanos newest_start;
    // Names the content, if all spans start in (start, end] of the window;
    // empty otherwise.
    std::string identity;
  };

  // `columns`: of the frames; has kStart, kKind and kSpanId.
  KeptSpans(std::vector<storage::FrameKey> columns, UnixNanos start,
            UnixNanos end, std::chrono::nanoseconds width);
  ~KeptSpans();

  // Spans of traces of the frame that may have one in the window.
  static Result<uint64_t> Relevant(storage::TraceFrame& frame, UnixNanos start);
  // Takes the frame of `unit`. On errors nothing is added.
  Status Add(size_t unit, std::unique_ptr<storage::TraceFrame> frame);
  // Makes the slices. Nothing is added afterwards. kDataLoss: see damaged().
  Status Finish();

  const std::vector<Slice>& slices() const { return slices_; }
  // The unit that answered kDataLoss when its columns were read.
  std::optional<size_t> damaged() const { return damaged_; }
  // Of all columns; owned here.
  storage::TraceFrame& Open(size_t slice);

 private:
  class SliceFrame;
  // What a column has a value of.
  enum class Owner : uint8_t { kSpan, kEvent, kLink };
  struct Source {
    size_t unit = 0;
    std::unique_ptr<storage::TraceFrame> frame;
  };
  struct Trace {
    uint32_t source = 0;
    uint32_t number = 0;  // in the frame
    uint64_t start = 0;
    uint64_t duration = 0;
    model::TraceId id;
    uint32_t first_row = 0;  // in the frame
    uint32_t row_count = 0;
  };
  // Values [begin, begin + count) of a source's column go to [to, …).
  struct Range {
    uint32_t source = 0;
    uint32_t begin = 0;
    uint32_t count = 0;
    uint32_t to = 0;
  };

  static Owner OwnerOf(storage::FrameField field);
  void MakeRanges();
  void MakeSlices();
  Status NameSlices();
  size_t IndexOf(storage::FrameField field) const;

  Result<const storage::FrameColumn*> Column(size_t index);
  Result<storage::FrameColumn> Gather(size_t index);
  Result<const std::vector<uint32_t>*> Parents();
  Result<const std::vector<uint32_t>*> Ends(Owner owner);
  Result<const std::vector<Range>*> RangesOf(Owner owner);
  // Remembers whose fault it is.
  Error Blame(uint32_t source, Error error);

  const std::vector<storage::FrameKey> columns_;
  const UnixNanos start_;
  const UnixNanos end_;
  const std::chrono::nanoseconds width_;
  std::vector<Source> sources_;
  std::vector<Trace> traces_;         // newest first
  std::vector<uint32_t> first_rows_;  // by trace, and one more
  std::vector<Slice> slices_;
  std::vector<std::unique_ptr<SliceFrame>> frames_;  // by slice
  std::optional<size_t> damaged_;
  std::vector<std::optional<storage::FrameColumn>> gathered_;
  std::vector<Range> span_ranges_;
  std::optional<std::vector<Range>> ranges_[2];   // of events, links
  std::optional<std::vector<uint32_t>> ends_[2];  // by row
  std::optional<std::vector<uint32_t>> parents_;
};

}  // namespace khtrace::alerting
