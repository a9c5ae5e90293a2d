// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/head_aggregates.h"

#include <algorithm>
#include <utility>

#include "base/release.h"
#include "storage/columnar/aggregate_difference.h"

namespace khtrace::storage::columnar {
namespace {

using model::SpanBatchPtr;
using model::TraceId;

bool ById(const SplitTrace& a, const SplitTrace& b) { return a.id < b.id; }

const SplitTrace* FindSplit(const std::vector<SplitTrace>& split,
                            const TraceId& id) {
  const auto found =
      std::lower_bound(split.begin(), split.end(), SplitTrace{id, {}}, ById);
  return found != split.end() && found->id == id ? &*found : nullptr;
}

}  // namespace

void HeadAggregates::Reset() {
  heads_.clear();
  batches_ = 0;
  Release(traces_);
  sum_ = {};
}

bool HeadAggregates::Follows(const TenantView& view) const {
  if (parts_.lock() != view.parts) return false;
  // Only the last head grows, so the batches that are known keep their places.
  const size_t common = std::min(heads_.size(), view.heads.size());
  for (size_t i = 0; i < common; ++i) {
    if (heads_[i].lock() != view.heads[i].generation) return false;
  }
  return true;
}

std::vector<TraceId> HeadAggregates::AddSpans(const Batches& batches,
                                              size_t first) {
  std::vector<TraceId> touched;
  for (size_t batch = first; batch < batches.size(); ++batch) {
    const std::vector<TraceId>& ids = batches[batch]->spans().trace_id;
    for (model::RowIndex row = 0; row < ids.size(); ++row) {
      Trace& trace = traces_[ids[row]];
      if (trace.spans.size() == trace.counted) touched.push_back(ids[row]);
      trace.spans.push_back({static_cast<uint32_t>(batch), row});
    }
  }
  return touched;
}

Status HeadAggregates::Update(const RequestContext& context,
                              const TenantView& view, QueryLosses* losses) {
  if (!Follows(view)) Reset();
  parts_ = view.parts;
  Batches batches;
  std::vector<std::weak_ptr<const HeadGeneration>> heads;
  for (const HeadView& head : view.heads) {
    head.ForEach(
        [&](const HeadBatch& entry) { batches.push_back(entry.batch); });
    heads.push_back(head.generation);
  }
  // Another question was here first, with a newer view.
  if (batches.size() <= batches_) return {};
  ASSIGN_OR_RETURN(
      std::vector<SplitTrace> split,
      view.splits->InHeads(context, view.parts, view.heads, losses));
  std::sort(split.begin(), split.end(), ById);
  AggregateDifference difference;
  AggregateDifference::Rows rows;
  for (const TraceId& id : AddSpans(batches, batches_)) {
    Trace& trace = traces_[id];
    rows.clear();
    if (const SplitTrace* known = FindSplit(split, id)) {
      std::vector<SpanBatchPtr> pieces;
      RETURN_IF_ERROR(ReadPieces(context, *known, losses, &pieces));
      for (SpanBatchPtr& piece : pieces) {
        AddRows(piece, &rows);
        difference.Hold(std::move(piece));
      }
    }
    const auto take = [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        const Place& place = trace.spans[i];
        rows.push_back({batches[place.batch].get(), place.row});
      }
    };
    take(0, trace.counted);
    if (!rows.empty()) difference.TakeAway(rows);
    take(trace.counted, trace.spans.size());
    difference.Add(rows);
    trace.counted = trace.spans.size();
    if (difference.EndTrace()) RETURN_IF_ERROR(context.Check());
  }
  sum_.Merge(difference.Take());
  sum_.DropEmptyRows();
  heads_ = std::move(heads);
  batches_ = batches.size();
  return {};
}

Status HeadAggregates::AddTo(const RequestContext& context,
                             const TenantView& view,
                             const aggregate::MergeOptions& options,
                             QueryLosses* losses, aggregate::Partial* result) {
  MutexLock lock(mu_);
  Status updated = Update(context, view, losses);
  if (updated) result->Merge(sum_, options);
  // Half done is not done; and what could not be read may be gone for good,
  // which the next question must be told as well.
  if (!updated || losses->first()) Reset();
  return updated;
}

}  // namespace khtrace::storage::columnar
