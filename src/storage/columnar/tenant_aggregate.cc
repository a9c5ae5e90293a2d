// SPDX-License-Identifier: Apache-2.0
// Aggregates of everything stored, from those of its pieces:
//
//   sum of each part's own
//   + correction: for each trace in several parts, that of the whole trace
//     minus those of its pieces
//   + for each trace in the head, that of the whole trace minus what the
//     parts' pieces of it (put together) have told already (head_aggregates.h)
//
// All counts can be taken away again, so this is exact, duplicates included
// (docs/adr/0011-partial-aggregates.md).
#include <algorithm>
#include <utility>

#include "aggregate/partial_builder.h"
#include "storage/columnar/aggregate_difference.h"
#include "storage/columnar/head_aggregates.h"
#include "storage/columnar/query_losses.h"
#include "storage/columnar/split_traces.h"
#include "storage/columnar/tenant_query.h"

namespace khtrace::storage::columnar {
namespace {

using aggregate::MergeOptions;
using aggregate::Partial;
using aggregate::PartialBuilder;
using model::RowIndex;
using model::SpanBatchPtr;
using model::TraceId;
using Rows = std::vector<model::RowRef>;
using PartialPtr = AggregateCache::PartialPtr;

// A piece of the time asked for, and how fine it must be told.
struct Slice {
  uint32_t first_minute = 0;
  uint32_t last_minute = 0;
  uint32_t step_minutes = 1;  // 1 or AggregateCache::kHour
};

// Whole hours by hours where nothing finer is asked for, the rest as it is.
std::vector<Slice> SlicesOf(const MergeOptions& options) {
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

// Moves the tables of these kinds into a partial of their own.
Partial TakeKinds(uint32_t kinds, Partial* from) {
  Partial taken;
  // All texts, so that their numbers stay.
  for (uint32_t i = 0; i < from->text_count(); ++i)
    taken.Intern(from->Text({i}));
  const auto take = [kinds](uint32_t kind, auto& to, auto& table) {
    if ((kinds & kind) != 0) to = std::move(table);
  };
  take(aggregate::kRed, taken.red, from->red);
  take(aggregate::kEdges, taken.edges, from->edges);
  take(aggregate::kRetries, taken.retries, from->retries);
  take(aggregate::kErrors, taken.errors, from->errors);
  take(aggregate::kCritical, taken.critical, from->critical);
  return taken;
}

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
  // Some kinds of a part's aggregates.
  struct Own {
    uint32_t kinds = 0;
    PartialPtr partial;
  };

  // Of all parts, as if no trace lay in several of them.
  Result<PartialPtr> SumOfParts();
  Status AddPart(const PartPtr& part, Partial* sum);
  void Add(const Partial& from, const Slice& slice, uint32_t kinds,
           Partial* sum) const;
  Result<std::vector<Own>> OwnsOf(const PartPtr& part, uint32_t step_minutes);
  Result<Partial> Read(const PartPtr& part, uint32_t kinds,
                       uint32_t step_minutes);
  Result<PartialPtr> Compute(const PartPtr& part);
  Result<AggregateCache::Correction> Correction();
  Status CorrectTrace(const SplitTrace& trace, AggregateDifference* difference);

  const RequestContext& context_;
  const TenantView& view_;
  const MergeOptions options_;
  const std::vector<Slice> slices_;
  QueryLosses losses_;
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
  Partial result;
  if (!view_.parts->empty()) {
    ASSIGN_OR_RETURN(const PartialPtr sum, SumOfParts());
    result.Merge(*sum);
  }
  if (view_.parts->size() > 1) {
    ASSIGN_OR_RETURN(const AggregateCache::Correction correction, Correction());
    for (const Slice& slice : slices_) {
      const bool exact = slice.step_minutes == 1;
      Add(exact ? *correction.exact : *correction.hours, slice, options_.kinds,
          &result);
    }
  }
  if (view_.head_aggregates != nullptr) {
    RETURN_IF_ERROR(view_.head_aggregates->AddTo(context_, view_, options_,
                                                 &losses_, &result));
  }
  result.DropEmptyRows();
  bool empty = true;
  ForEachTable(result,
               [&](auto, const auto& table) { empty &= table.empty(); });
  if (empty && losses_.first()) return *losses_.first();
  return result;
}

Result<PartialPtr> Aggregation::SumOfParts() {
  const AggregateCache::Sum known =
      view_.aggregates->FindSum(options_, *view_.parts);
  if (known.missing.empty()) return known.of_known;
  Partial sum;
  if (known.of_known != nullptr) sum.Merge(*known.of_known);
  for (const PartPtr& part : known.missing) {
    RETURN_IF_ERROR(context_.Check());
    RETURN_IF_ERROR(AddPart(part, &sum));
  }
  auto all = std::make_shared<const Partial>(std::move(sum));
  // The next question shall be told of what could not be read as well.
  if (!losses_.first()) {
    view_.aggregates->KeepSum(options_, *view_.parts, all);
  }
  return PartialPtr(std::move(all));
}

Status Aggregation::AddPart(const PartPtr& part, Partial* sum) {
  for (const Slice& slice : slices_) {
    if (!Overlaps(part->info(), slice)) continue;
    ASSIGN_OR_RETURN(const std::vector<Own> owns,
                     OwnsOf(part, slice.step_minutes));
    for (const Own& own : owns) {
      Add(*own.partial, slice, own.kinds & options_.kinds, sum);
    }
  }
  return {};
}

void Aggregation::Add(const Partial& from, const Slice& slice, uint32_t kinds,
                      Partial* sum) const {
  MergeOptions options = options_;
  options.kinds = kinds;
  options.first_minute = slice.first_minute;
  options.last_minute = slice.last_minute;
  sum->Merge(from, options);
}

// Those that are kept, and the others at one reading.
Result<std::vector<Aggregation::Own>> Aggregation::OwnsOf(
    const PartPtr& part, uint32_t step_minutes) {
  std::vector<Own> owns;
  uint32_t missing = 0;
  for (const uint32_t kinds : kKindGroups) {
    if ((kinds & options_.kinds) == 0) continue;
    PartialPtr known = view_.aggregates->Find(*part, {kinds, step_minutes});
    if (known == nullptr) missing |= kinds;
    owns.push_back({kinds, std::move(known)});
  }
  if (missing == 0) return owns;
  ASSIGN_OR_RETURN(Partial read, Read(part, missing, step_minutes));
  for (Own& own : owns) {
    if (own.partial != nullptr) continue;
    own.partial = std::make_shared<const Partial>(TakeKinds(own.kinds, &read));
    view_.aggregates->Keep(part, {own.kinds, step_minutes}, own.partial);
  }
  return owns;
}

// What the part tells, or else what its spans do.
Result<Partial> Aggregation::Read(const PartPtr& part, uint32_t kinds,
                                  uint32_t step_minutes) {
  MergeOptions wanted;
  wanted.kinds = kinds;
  wanted.step_minutes = step_minutes;
  auto stored = part->ReadAggregates(wanted);
  if (!stored) RETURN_IF_ERROR(losses_.Excuse(*part, stored.error()));
  if (stored && *stored) return **std::move(stored);
  ASSIGN_OR_RETURN(const PartialPtr computed, Compute(part));
  Partial some;
  some.Merge(*computed, wanted);
  return some;
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
  AggregateDifference difference;
  for (const SplitTrace& trace : *split) {
    RETURN_IF_ERROR(CorrectTrace(trace, &difference));
    if (difference.EndTrace()) RETURN_IF_ERROR(context_.Check());
  }
  correction.exact = std::make_shared<const Partial>(difference.Take());
  Partial hours;
  MergeOptions by_hour;
  by_hour.step_minutes = AggregateCache::kHour;
  hours.Merge(*correction.exact, by_hour);
  correction.hours = std::make_shared<const Partial>(std::move(hours));
  view_.aggregates->KeepCorrection(view_.parts, correction);
  return correction;
}

// A trace with a damaged piece stays in pieces.
Status Aggregation::CorrectTrace(const SplitTrace& trace,
                                 AggregateDifference* difference) {
  std::vector<SpanBatchPtr> pieces;
  RETURN_IF_ERROR(ReadPieces(context_, trace, &losses_, &pieces));
  if (pieces.size() < trace.places.size()) return {};
  Rows whole;
  for (SpanBatchPtr& piece : pieces) {
    Rows rows;
    AddRows(piece, &rows);
    difference->TakeAway(rows);
    whole.insert(whole.end(), rows.begin(), rows.end());
    difference->Hold(std::move(piece));
  }
  difference->Add(whole);
  return {};
}

}  // namespace

Result<Partial> Aggregate(const RequestContext& context, const TenantView& view,
                          const AggregateRequest& request) {
  return Aggregation(context, view, request).Run();
}

}  // namespace khtrace::storage::columnar
