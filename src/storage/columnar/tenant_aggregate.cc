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
#include <utility>

#include "aggregate/partial_builder.h"
#include "storage/columnar/part_rows.h"
#include "storage/columnar/query_losses.h"
#include "storage/columnar/split_traces.h"
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

// A piece of the time asked for, and how fine it must be told.
struct Slice {
  uint32_t first_minute = 0;
  uint32_t last_minute = 0;
  uint32_t step_minutes = 1;  // 1 or AggregateCache::kHour
};

// Whole hours by hours where nothing finer is asked for, the rest as it is.
std::vector<Slice> SlicesOf(const aggregate::MergeOptions& options) {
  constexpr uint32_t kHour = AggregateCache::kHour;
  const uint32_t first = options.first_minute;
  const uint32_t last = options.last_minute;
  const bool coarse =
      options.step_minutes == UINT32_MAX || options.step_minutes % kHour == 0;
  const uint64_t begin = (uint64_t{first} + kHour - 1) / kHour * kHour;
  const uint64_t end = (uint64_t{last} + 1) / kHour * kHour;
  if (!coarse || begin >= end) return {{first, last, 1}};
  std::vector<Slice> slices;
  const auto add = [&](uint64_t from, uint64_t to, uint32_t step) {
    if (from >= to) return;
    slices.push_back(
        {static_cast<uint32_t>(from), static_cast<uint32_t>(to - 1), step});
  };
  add(first, begin, 1);
  add(begin, end, kHour);
  add(end, uint64_t{last} + 1, 1);
  return slices;
}

// Kinds that are kept together: whoever asks for one of them mostly asks for
// all.
constexpr uint32_t kKindGroups[] = {
    aggregate::kRed,
    aggregate::kEdges | aggregate::kRetries | aggregate::kCritical,
    aggregate::kErrors};

class Aggregation {
 public:
  Aggregation(const RequestContext& context, const TenantView& view,
              const AggregateRequest& request)
      : context_(context),
        view_(view),
        options_(request.MergeOptions()),
        slices_(SlicesOf(options_)),
        losses_(view) {}

  Result<Partial> Run();

 private:
  using PartPtr = std::shared_ptr<const Part>;
  using Grain = AggregateCache::Grain;

  Status AddPart(const PartPtr& part);
  void Add(const Partial& from, const Slice& slice, uint32_t kinds);
  Result<PartialPtr> Own(const PartPtr& part, const Grain& grain);
  Result<PartialPtr> Compute(const PartPtr& part);
  Result<AggregateCache::Correction> Correction();
  Status CorrectTrace(const SplitTrace& trace, Difference* difference);
  Status AddHead();
  Status ReadPlaces(const std::vector<PartPlace>& places, const TraceId& id,
                    std::vector<SpanBatchPtr>* pieces);

  const RequestContext& context_;
  const TenantView& view_;
  const aggregate::MergeOptions options_;
  const std::vector<Slice> slices_;
  QueryLosses losses_;
  Partial result_;
};

bool Overlaps(const PartInfo& info, const Slice& slice) {
  const auto minute = [](UnixNanos time) {
    return aggregate::BucketOf(time, aggregate::kMaxBucketMinutes);
  };
  return minute(info.min_start) <= slice.last_minute &&
         uint64_t{minute(info.max_start)} + aggregate::kMaxBucketMinutes >
             slice.first_minute;
}

Result<Partial> Aggregation::Run() {
  for (const PartPtr& part : *view_.parts) {
    RETURN_IF_ERROR(context_.Check());
    RETURN_IF_ERROR(AddPart(part));
  }
  if (view_.parts->size() > 1) {
    ASSIGN_OR_RETURN(const AggregateCache::Correction correction, Correction());
    for (const Slice& slice : slices_) {
      const bool exact = slice.step_minutes == 1;
      Add(exact ? *correction.exact : *correction.hours, slice, options_.kinds);
    }
  }
  RETURN_IF_ERROR(AddHead());
  result_.DropEmptyRows();
  bool empty = true;
  ForEachTable(result_,
               [&](auto, const auto& table) { empty &= table.empty(); });
  if (empty && losses_.first()) return *losses_.first();
  return std::move(result_);
}

Status Aggregation::AddPart(const PartPtr& part) {
  for (const Slice& slice : slices_) {
    if (!Overlaps(part->info(), slice)) continue;
    for (const uint32_t kinds : kKindGroups) {
      if ((kinds & options_.kinds) == 0) continue;
      ASSIGN_OR_RETURN(const PartialPtr own,
                       Own(part, {kinds, slice.step_minutes}));
      Add(*own, slice, kinds & options_.kinds);
    }
  }
  return {};
}

void Aggregation::Add(const Partial& from, const Slice& slice, uint32_t kinds) {
  aggregate::MergeOptions options = options_;
  options.kinds = kinds;
  options.first_minute = slice.first_minute;
  options.last_minute = slice.last_minute;
  result_.Merge(from, options);
}

Result<PartialPtr> Aggregation::Own(const PartPtr& part, const Grain& grain) {
  if (PartialPtr known = view_.aggregates->Find(*part, grain)) return known;
  aggregate::MergeOptions wanted;
  wanted.kinds = grain.kinds;
  wanted.step_minutes = grain.step_minutes;
  auto stored = part->ReadAggregates(wanted);
  if (!stored) RETURN_IF_ERROR(losses_.Excuse(*part, stored.error()));
  PartialPtr own;
  if (stored && *stored) {
    own = std::make_shared<const Partial>(**std::move(stored));
  } else {
    ASSIGN_OR_RETURN(const PartialPtr computed, Compute(part));
    Partial some;
    some.Merge(*computed, wanted);
    own = std::make_shared<const Partial>(std::move(some));
  }
  view_.aggregates->Keep(part, grain, own);
  return own;
}

// Everything, from the spans, when the part does not tell.
Result<PartialPtr> Aggregation::Compute(const PartPtr& part) {
  if (PartialPtr known = view_.aggregates->Find(*part, {})) return known;
  PartialBuilder builder;
  aggregate::TraceLinker linker;
  Rows rows;
  // Batches end where a trace ends.
  Status read = part->ForEachBatch(context_, [&](const SpanBatchPtr& batch) {
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
  RETURN_IF_ERROR(losses_.Excuse(*part, std::move(read)));
  auto computed = std::make_shared<const Partial>(builder.Take());
  view_.aggregates->Keep(part, {}, computed);
  return PartialPtr(std::move(computed));
}

Result<AggregateCache::Correction> Aggregation::Correction() {
  AggregateCache::Correction correction =
      view_.aggregates->FindCorrection(view_.parts);
  if (correction.exact != nullptr) return correction;
  ASSIGN_OR_RETURN(const auto split,
                   view_.splits->InParts(context_, view_.parts, &losses_));
  Difference difference;
  for (const SplitTrace& trace : *split) {
    RETURN_IF_ERROR(CorrectTrace(trace, &difference));
    if (difference.EndTrace()) RETURN_IF_ERROR(context_.Check());
  }
  correction.exact = std::make_shared<const Partial>(difference.Take());
  Partial hours;
  aggregate::MergeOptions by_hour;
  by_hour.step_minutes = AggregateCache::kHour;
  hours.Merge(*correction.exact, by_hour);
  correction.hours = std::make_shared<const Partial>(std::move(hours));
  view_.aggregates->KeepCorrection(view_.parts, correction);
  return correction;
}

Status Aggregation::ReadPlaces(const std::vector<PartPlace>& places,
                               const TraceId& id,
                               std::vector<SpanBatchPtr>* pieces) {
  for (const PartPlace& place : places) {
    auto piece = place.part->GetTrace(context_, id);
    if (!piece) {
      RETURN_IF_ERROR(losses_.Excuse(*place.part, std::move(piece).error()));
    } else if (*piece != nullptr) {
      pieces->push_back(*std::move(piece));
    }
  }
  return {};
}

// A trace with a damaged piece stays in pieces.
Status Aggregation::CorrectTrace(const SplitTrace& trace,
                                 Difference* difference) {
  std::vector<SpanBatchPtr> pieces;
  RETURN_IF_ERROR(ReadPlaces(trace.places, trace.id, &pieces));
  if (pieces.size() < trace.places.size()) return {};
  Rows whole;
  for (SpanBatchPtr& piece : pieces) {
    Rows rows;
    AddRows(piece, &rows);
    difference->Piece(rows);
    whole.insert(whole.end(), rows.begin(), rows.end());
    difference->Hold(std::move(piece));
  }
  difference->Whole(whole);
  return {};
}

Status Aggregation::AddHead() {
  std::vector<SpanBatchPtr> batches;
  for (const HeadView& head : view_.heads) {
    head.ForEach(
        [&](const HeadBatch& entry) { batches.push_back(entry.batch); });
  }
  if (batches.empty()) return {};
  ASSIGN_OR_RETURN(
      std::vector<SplitTrace> split,
      view_.splits->InHeads(context_, view_.parts, view_.heads, &losses_));
  std::sort(
      split.begin(), split.end(),
      [](const SplitTrace& a, const SplitTrace& b) { return a.id < b.id; });
  const RowOrder order = OrderRows(batches);
  Difference difference;
  for (const TraceSlice& trace : order.traces) {
    const auto known = std::lower_bound(
        split.begin(), split.end(), trace.id,
        [](const SplitTrace& s, const TraceId& id) { return s.id < id; });
    Rows rows;
    if (known != split.end() && known->id == trace.id) {
      std::vector<SpanBatchPtr> pieces;
      RETURN_IF_ERROR(ReadPlaces(known->places, trace.id, &pieces));
      for (SpanBatchPtr& piece : pieces) {
        AddRows(piece, &rows);
        difference.Hold(std::move(piece));
      }
      if (!rows.empty()) difference.Piece(rows);
    }
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
