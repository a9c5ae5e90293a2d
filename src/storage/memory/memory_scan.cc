// SPDX-License-Identifier: Apache-2.0
#include "storage/memory/memory_scan.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "storage/batch_frame.h"

namespace khtrace::storage::memory {
namespace {

using model::RowRef;

auto KeyOf(const RowRef& ref) {
  const model::SpanColumns& spans = ref.batch->spans();
  return std::tuple(spans.start[ref.row], spans.span_id[ref.row],
                    spans.kind[ref.row]);
}

UnixNanos StartOf(const std::vector<RowRef>& trace) {
  return trace.front().batch->spans().start[trace.front().row];
}

}  // namespace

MemoryScan::MemoryScan(std::vector<model::SpanBatchPtr> batches,
                       FrameRequest request)
    : batches_(std::move(batches)),
      request_(std::make_shared<const FrameRequest>(std::move(request))) {
  std::map<model::TraceId, std::vector<RowRef>> by_id;
  for (const model::SpanBatchPtr& batch : batches_) {
    for (model::RowIndex row = 0; row < batch->row_count(); ++row) {
      by_id[batch->spans().trace_id[row]].push_back({batch.get(), row});
    }
  }
  std::vector<std::vector<RowRef>> traces;
  for (auto& [id, rows] : by_id) {
    std::sort(rows.begin(), rows.end(), [](const RowRef& a, const RowRef& b) {
      return KeyOf(a) < KeyOf(b);
    });
    traces.push_back(std::move(rows));
  }
  std::stable_sort(
      traces.begin(), traces.end(),
      [](const auto& a, const auto& b) { return StartOf(a) > StartOf(b); });
  for (size_t i = 0; i < traces.size(); ++i) {
    if (i % kTracesInUnit == 0) units_.push_back({StartOf(traces[i]), {}});
    std::vector<RowRef>& rows = units_.back().rows;
    rows.insert(rows.end(), traces[i].begin(), traces[i].end());
  }
}

Result<std::unique_ptr<TraceFrame>> MemoryScan::Open(
    const RequestContext& context, size_t unit) const {
  RETURN_IF_ERROR(context.Check());
  return MakeBatchFrame(request_, units_[unit].rows, {});
}

}  // namespace khtrace::storage::memory
