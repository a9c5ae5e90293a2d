// SPDX-License-Identifier: Apache-2.0
// Aggregates of everything stored, from those of its pieces:
//
//   sum of each part's own
//   + correction: for each trace in several parts, that of the whole trace
//     minus those of its pieces
//   + for each trace in the head, that of the whole trace minus what the
//     parts' pieces of it (put together) have told already
//
// All counts can be taken away again, so this is exact, duplicates included
// (docs/adr/0011-partial-aggregates.md).
#include <algorithm>
#include <map>
#include <utility>

#include "aggregate/partial_builder.h"
#include "storage/columnar/part_rows.h"
#include "storage/columnar/query_losses.h"
#include "storage/columnar/tenant_query.h"

namespace khtrace::storage::columnar {
namespace {

using aggregate::Partial;
using aggregate::PartialBuilder;
using model::RowIndex;
using model::SpanBatchPtr;
using model::TraceId;
using Rows = std::vector<model::RowRef>;
using PartialPtr = AggregateCache::PartialPtr;

// Traces put together before their batches are let go.
constexpr size_t kTracesHeld = 256;

void AddRows(const SpanBatchPtr& batch, Rows* rows) {
  for (RowIndex row = 0; row < batch->row_count(); ++row) {
    rows->push_back({batch.get(), row});
  }
}

// Whole traces against what their pieces said of them.
class Difference {
 public:
  void Whole(const Rows& rows) { whole_.AddTrace(linker_.Link(rows)); }
  void Piece(const Rows& rows) { pieces_.AddTrace(linker_.Link(rows)); }
  // Keeps the batch as long as needed.
  void Hold(SpanBatchPtr batch) { held_.push_back(std::move(batch)); }
  // After each trace. True now and then: time for RequestContext::Check.
  bool EndTrace() {
    if (++traces_ % kTracesHeld != 0) return false;
    whole_.ForgetBatches();
    pieces_.ForgetBatches();
    held_.clear();
    return true;
  }
  Partial Take() {
    Partial difference = whole_.Take();
    difference.Merge(pieces_.Take(), {.subtract = true});
    return difference;
  }

 private:
  PartialBuilder whole_;
  PartialBuilder pieces_;
  aggregate::TraceLinker linker_;
  std::vector<SpanBatchPtr> held_;
  size_t traces_ = 0;
};

class Aggregation {
 public:
  Aggregation(const RequestContext& context, const TenantView& view,
              const AggregateRequest& request)
      : context_(context),
        view_(view),
        request_(request),
        options_(request.MergeOptions()),
        losses_(view) {}

  Result<Partial> Run();

 private:
  using PartPtr = std::shared_ptr<const Part>;
  using SplitTrace = std::pair<TraceId, std::vector<uint32_t>>;

  bool Overlaps(const PartInfo& info) const;
  Result<PartialPtr> Own(const PartPtr& part);
  Result<Partial> Compute(const Part& part);
  Result<PartialPtr> Correction();
  template <typename Visit>
  Status ForEachTrace(const Visit& visit);
  Result<std::vector<SplitTrace>> SplitTraces();
  Status CorrectTrace(const TraceId& id, const std::vector<uint32_t>& parts,
                      Difference* difference);
  Status AddHead();
  Status ReadFromParts(const TraceId& id, Difference* difference, Rows* rows);

  const RequestContext& context_;
  const TenantView& view_;
  const AggregateRequest& request_;
  const aggregate::MergeOptions options_;
  QueryLosses losses_;
  Partial result_;
};

bool Aggregation::Overlaps(const PartInfo& info) const {
  const auto bucket = [](UnixNanos time) {
    return aggregate::BucketOf(time, aggregate::kMaxBucketMinutes);
  };
  return bucket(info.max_start) >= bucket(request_.start) &&
         bucket(info.min_start) <= bucket(request_.end);
}

Result<Partial> Aggregation::Run() {
  for (const PartPtr& part : *view_.parts) {
    RETURN_IF_ERROR(context_.Check());
    if (!Overlaps(part->info())) continue;
    ASSIGN_OR_RETURN(const PartialPtr own, Own(part));
    result_.Merge(*own, options_);
  }
  if (view_.parts->size() > 1) {
    ASSIGN_OR_RETURN(const PartialPtr correction, Correction());
    result_.Merge(*correction, options_);
  }
  RETURN_IF_ERROR(AddHead());
  result_.DropEmptyRows();
  bool empty = true;
  ForEachTable(result_,
               [&](auto, const auto& table) { empty &= table.empty(); });
  if (empty && losses_.first()) return *losses_.first();
  return std::move(result_);
}

Result<PartialPtr> Aggregation::Own(const PartPtr& part) {
  if (PartialPtr known = view_.aggregates->Find(*part)) return known;
  auto stored = part->ReadAggregates();
  if (!stored) RETURN_IF_ERROR(losses_.Excuse(*part, stored.error()));
  PartialPtr own;
  if (stored && *stored) {
    own = std::make_shared<const Partial>(**std::move(stored));
  } else {
    ASSIGN_OR_RETURN(Partial computed, Compute(*part));
    own = std::make_shared<const Partial>(std::move(computed));
  }
  view_.aggregates->Keep(part, own);
  return own;
}

// From the spans, when the part does not tell.
Result<Partial> Aggregation::Compute(const Part& part) {
  PartialBuilder builder;
  aggregate::TraceLinker linker;
  Rows rows;
  // Batches end where a trace ends.
  Status read = part.ForEachBatch(context_, [&](const SpanBatchPtr& batch) {
    const std::vector<TraceId>& ids = batch->spans().trace_id;
    for (RowIndex row = 0; row < ids.size(); ++row) {
      if (row > 0 && ids[row] != ids[row - 1]) {
        builder.AddTrace(linker.Link(rows));
        rows.clear();
      }
      rows.push_back({batch.get(), row});
    }
    if (!rows.empty()) builder.AddTrace(linker.Link(rows));
    rows.clear();
    builder.ForgetBatches();
    return context_.Check();
  });
  RETURN_IF_ERROR(losses_.Excuse(part, std::move(read)));
  return builder.Take();
}

template <typename Visit>  // void(const TraceId&, uint32_t part)
Status Aggregation::ForEachTrace(const Visit& visit) {
  for (uint32_t p = 0; p < view_.parts->size(); ++p) {
    const Part& part = *(*view_.parts)[p];
    Status read = part.ForEachTrace(
        context_, [&](const TraceId& id, UnixNanos) { visit(id, p); });
    RETURN_IF_ERROR(losses_.Excuse(part, std::move(read)));
  }
  return {};
}

// The traces that lie in several parts, with those parts' positions. Hashes
// first, 8 bytes a trace: few ids are looked at twice.
Result<std::vector<Aggregation::SplitTrace>> Aggregation::SplitTraces() {
  std::vector<uint64_t> hashes;
  RETURN_IF_ERROR(ForEachTrace([&](const TraceId& id, uint32_t) {
    hashes.push_back(model::TraceIdHash{}(id));
  }));
  std::sort(hashes.begin(), hashes.end());
  std::vector<uint64_t> repeated;
  for (size_t i = 1; i < hashes.size(); ++i) {
    if (hashes[i] == hashes[i - 1]) repeated.push_back(hashes[i]);
  }
  hashes = {};
  std::vector<SplitTrace> split;
  if (repeated.empty()) return split;
  std::map<TraceId, std::vector<uint32_t>> parts;
  RETURN_IF_ERROR(ForEachTrace([&](const TraceId& id, uint32_t part) {
    if (std::binary_search(repeated.begin(), repeated.end(),
                           model::TraceIdHash{}(id))) {
      parts[id].push_back(part);
    }
  }));
  split.assign(parts.begin(), parts.end());
  return split;
}

Result<PartialPtr> Aggregation::Correction() {
  if (PartialPtr known = view_.aggregates->FindCorrection(view_.parts)) {
    return known;
  }
  ASSIGN_OR_RETURN(const std::vector<SplitTrace> split, SplitTraces());
  Difference difference;
  for (const auto& [id, parts] : split) {
    RETURN_IF_ERROR(CorrectTrace(id, parts, &difference));
    if (difference.EndTrace()) RETURN_IF_ERROR(context_.Check());
  }
  auto correction = std::make_shared<const Partial>(difference.Take());
  view_.aggregates->KeepCorrection(view_.parts, correction);
  return PartialPtr(std::move(correction));
}

// A trace with a damaged piece stays in pieces.
Status Aggregation::CorrectTrace(const TraceId& id,
                                 const std::vector<uint32_t>& parts,
                                 Difference* difference) {
  std::vector<SpanBatchPtr> pieces;
  for (const uint32_t p : parts) {
    const Part& part = *(*view_.parts)[p];
    auto piece = part.GetTrace(context_, id);
    if (!piece) return losses_.Excuse(part, std::move(piece).error());
    if (*piece != nullptr) pieces.push_back(*std::move(piece));
  }
  Rows whole;
  for (SpanBatchPtr& piece : pieces) {
    Rows rows;
    AddRows(piece, &rows);
    difference->Piece(rows);
    whole.insert(whole.end(), rows.begin(), rows.end());
    difference->Hold(std::move(piece));
  }
  if (!whole.empty()) difference->Whole(whole);
  return {};
}

// Appends the parts' spans of the trace.
Status Aggregation::ReadFromParts(const TraceId& id, Difference* difference,
                                  Rows* rows) {
  for (const PartPtr& part : *view_.parts) {
    auto piece = part->GetTrace(context_, id);
    if (!piece) {
      RETURN_IF_ERROR(losses_.Excuse(*part, std::move(piece).error()));
    } else if (*piece != nullptr) {
      AddRows(*piece, rows);
      difference->Hold(*std::move(piece));
    }
  }
  return {};
}

Status Aggregation::AddHead() {
  std::vector<SpanBatchPtr> batches;
  for (const HeadView& head : view_.heads) {
    head.ForEach(
        [&](const HeadBatch& entry) { batches.push_back(entry.batch); });
  }
  if (batches.empty()) return {};
  const RowOrder order = OrderRows(batches);
  Difference difference;
  Rows rows;
  for (const TraceSlice& trace : order.traces) {
    rows.clear();
    RETURN_IF_ERROR(ReadFromParts(trace.id, &difference, &rows));
    if (!rows.empty()) difference.Piece(rows);
    for (size_t i = 0; i < trace.count; ++i) {
      const RowRef& ref = order.rows[trace.first + i];
      rows.push_back({batches[ref.batch].get(), ref.row});
    }
    difference.Whole(rows);
    if (difference.EndTrace()) RETURN_IF_ERROR(context_.Check());
  }
  result_.Merge(difference.Take(), options_);
  return {};
}

}  // namespace

Result<Partial> Aggregate(const RequestContext& context, const TenantView& view,
                          const AggregateRequest& request) {
  return Aggregation(context, view, request).Run();
}

}  // namespace khtrace::storage::columnar
