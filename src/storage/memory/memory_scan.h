// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/span_batch_builder.h"
#include "storage/trace_frame.h"

namespace khtrace::storage::memory {

// Every trace of some batches, in which no span occurs twice: a few to a unit,
// so that small stores have several.
class MemoryScan : public FrameScan {
 public:
  MemoryScan(std::vector<model::SpanBatchPtr> batches, FrameRequest request);

  size_t unit_count() const override { return units_.size(); }
  UnixNanos newest_start(size_t unit) const override {
    return units_[unit].newest;
  }
  std::string identity(size_t) const override { return {}; }
  Result<std::unique_ptr<TraceFrame>> Open(const RequestContext& context,
                                           size_t unit) const override;
  void NoteLoss(size_t, const Error&) const override {}

 private:
  static constexpr size_t kTracesInUnit = 8;

  struct Unit {
    UnixNanos newest;
    std::vector<model::RowRef> rows;
  };

  const std::vector<model::SpanBatchPtr> batches_;
  const std::shared_ptr<const FrameRequest> request_;
  std::vector<Unit> units_;
};

}  // namespace khtrace::storage::memory
