// SPDX-License-Identifier: Apache-2.0
#include "query/search.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "query/judging.h"
#include "query/mentions.h"
#include "query/scan_units.h"
#include "query/search_plan.h"
#include "query/span_conditions.h"
#include "query/top_traces.h"

namespace khtrace::query {
namespace {

using Key = traceql::OrderBy::Key;

// What all threads of a search share.
struct Shared {
  const SearchRequest& request;
  const SearchPlan& plan;
  const bool profiles;
  TopTraces top;
  std::atomic<uint64_t> total_traces{0};
  std::atomic<uint64_t> total_spans{0};

  bool newest_first() const {
    return plan.order.by() == traceql::OrderBy{Key::kStart, true};
  }
};

class Worker : public UnitWorker {
 public:
  Worker(Shared& shared, const RequestContext& context)
      : shared_(shared), context_(context), hits_(shared.plan.hits) {}

  bool Wants(UnixNanos newest_start) override;
  Result<bool> Known(const std::string&) override { return false; }
  Status Visit(storage::TraceFrame& frame, const std::string&) override;

  const Profile& profile() const { return profile_; }

 private:
  Result<std::vector<uint64_t>> ValuesOf(FrameEval& eval);
  Status LeaveOut(FrameEval& eval, Spansets* sets);
  void Count(const storage::FrameTraces& traces, const Spansets& sets);
  Result<std::vector<uint32_t>> Choose(FrameEval& eval, const Spansets& sets);
  Result<bool> MakeFewHits(FrameEval& eval, const Spansets& sets,
                           const std::vector<uint32_t>& chosen,
                           std::vector<SizedHit>* found);
  Status MakeHits(FrameEval& eval, const Spansets& sets,
                  const std::vector<uint32_t>& chosen);

  Shared& shared_;
  const RequestContext& context_;
  Profile profile_;
  PredicateTables tables_;
  HitMaker hits_;
  std::vector<uint64_t> values_;  // what is ordered by, of the frame's traces
};

bool Worker::Wants(UnixNanos newest_start) {
  if (shared_.request.totals || !shared_.newest_first()) return true;
  const auto bound = shared_.top.bound();
  if (!bound || newest_start.ns >= bound->start) return true;
  shared_.top.NoteMore();
  return false;
}

Result<std::vector<uint64_t>> Worker::ValuesOf(FrameEval& eval) {
  ASSIGN_OR_RETURN(const storage::FrameTraces* traces, eval.frame().Traces());
  const std::vector<uint32_t>& first_rows = traces->first_rows;
  std::vector<uint64_t> values;
  switch (shared_.plan.order.by().key) {
    case Key::kStart:
      return traces->starts;
    case Key::kDuration:
      return traces->durations;
    case Key::kSpanCount:
      for (size_t t = 0; t + 1 < first_rows.size(); ++t) {
        values.push_back(first_rows[t + 1] - first_rows[t]);
      }
      return values;
    case Key::kErrorCount:
      break;
  }
  const Leaf& status = shared_.plan.hits.status;
  RETURN_IF_ERROR(eval.Load(status));
  const auto begin = eval.column(status.columns[0]).bits.begin();
  for (size_t t = 0; t + 1 < first_rows.size(); ++t) {
    values.push_back(static_cast<uint64_t>(
        std::count(begin + first_rows[t], begin + first_rows[t + 1],
                   static_cast<uint64_t>(model::StatusCode::kError))));
  }
  return values;
}

// Takes the rows of traces out that cannot be in the answer, whatever their
// spans are: conditions need not look at them.
Status Worker::LeaveOut(FrameEval& eval, Spansets* sets) {
  ASSIGN_OR_RETURN(values_, ValuesOf(eval));
  ASSIGN_OR_RETURN(const storage::FrameTraces* traces, eval.frame().Traces());
  const SearchRequest& request = shared_.request;
  const TraceOrder& order = shared_.plan.order;
  const auto bound = shared_.top.bound();
  const std::optional<TraceRank>& after = shared_.plan.after;
  bool more = false;
  for (size_t t = 0; t < traces->starts.size(); ++t) {
    const uint64_t start = traces->starts[t];
    bool out = start > request.end.ns ||
               start + traces->durations[t] < request.start.ns;
    if (!out && !request.totals) {
      const TraceRank rank{values_[t], start, {}};
      const bool behind = bound && order.SurelyBefore(*bound, rank);
      more |= behind;
      out = behind || (after && order.SurelyBefore(rank, *after));
    }
    if (!out) continue;
    std::fill(sets->rows.begin() + traces->first_rows[t],
              sets->rows.begin() + traces->first_rows[t + 1], 0);
  }
  if (more) shared_.top.NoteMore();
  return {};
}

void Worker::Count(const storage::FrameTraces& traces, const Spansets& sets) {
  uint64_t fit = 0;
  for (size_t t = 0; t < traces.starts.size(); ++t) {
    fit += AnySet(sets.rows, traces.first_rows[t], traces.first_rows[t + 1]);
  }
  shared_.total_traces += fit;
  shared_.total_spans += CountSet(sets.rows);
}

// The frame's traces that may be in the answer, in its order.
Result<std::vector<uint32_t>> Worker::Choose(FrameEval& eval,
                                             const Spansets& sets) {
  ASSIGN_OR_RETURN(const std::vector<model::TraceId>* ids,
                   eval.frame().TraceIds());
  ASSIGN_OR_RETURN(const storage::FrameTraces* frame_traces,
                   eval.frame().Traces());
  const storage::FrameTraces& traces = *frame_traces;
  const TraceOrder& order = shared_.plan.order;
  const auto bound = shared_.top.bound();
  const std::optional<TraceRank>& after = shared_.plan.after;
  const auto rank_of = [&](uint32_t t) {
    return TraceRank{values_[t], traces.starts[t], (*ids)[t]};
  };
  bool more = false;
  std::vector<uint32_t> chosen;
  for (uint32_t t = 0; t < traces.starts.size(); ++t) {
    if (!AnySet(sets.rows, traces.first_rows[t], traces.first_rows[t + 1])) {
      continue;
    }
    const TraceRank rank = rank_of(t);
    if (after && !order.Before(*after, rank)) continue;
    const bool behind = bound && order.Before(*bound, rank);
    more |= behind;
    if (!behind) chosen.push_back(t);
  }
  const auto before = [&](uint32_t a, uint32_t b) {
    return order.Before(rank_of(a), rank_of(b));
  };
  const size_t limit = shared_.top.limit();
  if (chosen.size() > limit) {
    more = true;
    std::nth_element(chosen.begin(),
                     chosen.begin() + static_cast<ptrdiff_t>(limit),
                     chosen.end(), before);
    chosen.resize(limit);
  }
  std::sort(chosen.begin(), chosen.end(), before);
  if (more) shared_.top.NoteMore();
  return chosen;
}

Status Worker::Visit(storage::TraceFrame& frame, const std::string&) {
  FrameEval eval(frame, tables_, context_,
                 shared_.profiles ? &profile_ : nullptr);
  ASSIGN_OR_RETURN(const bool may, MayMatch(shared_.plan.pipeline, eval));
  if (!may) return {};
  ASSIGN_OR_RETURN(Spansets sets, AllSpans(eval));
  RETURN_IF_ERROR(LeaveOut(eval, &sets));
  if (!AnySet(sets.rows)) return {};
  RETURN_IF_ERROR(RunPipeline(shared_.plan.pipeline, eval, &sets));
  if (!AnySet(sets.rows)) return {};
  if (shared_.request.totals) {
    ASSIGN_OR_RETURN(const storage::FrameTraces* traces, frame.Traces());
    Count(*traces, sets);
  }
  if (shared_.request.limit == 0) return {};
  ASSIGN_OR_RETURN(const std::vector<uint32_t> chosen, Choose(eval, sets));
  if (chosen.empty()) return {};
  return MakeHits(eval, sets, chosen);
}

// What of the spansets lies in `chosen`, whose rows follow each other.
Spansets Narrowed(const Spansets& sets, const storage::FrameTraces& traces,
                  const std::vector<uint32_t>& chosen) {
  Spansets out;
  out.segments = sets.segments;
  for (const uint32_t t : chosen) {
    const uint32_t first = traces.first_rows[t];
    const uint32_t end = traces.first_rows[t + 1];
    out.rows.insert(out.rows.end(), sets.rows.begin() + first,
                    sets.rows.begin() + end);
    if (sets.by_trace()) continue;
    out.segment_of.insert(out.segment_of.end(), sets.segment_of.begin() + first,
                          sets.segment_of.begin() + end);
  }
  return out;
}

// Of few traces in a large frame only what is theirs is read. False: not done.
Result<bool> Worker::MakeFewHits(FrameEval& eval, const Spansets& sets,
                                 const std::vector<uint32_t>& chosen,
                                 std::vector<SizedHit>* found) {
  std::vector<uint32_t> ascending = chosen;
  std::sort(ascending.begin(), ascending.end());
  const auto frame = eval.frame().Narrow(ascending);
  // It reads columns that the answer does not need: let those be damaged.
  if (!frame && frame.error().code == Code::kDataLoss) return false;
  if (!frame) return Error(frame.error());
  if (*frame == nullptr) return false;
  ASSIGN_OR_RETURN(const storage::FrameTraces* traces, eval.frame().Traces());
  std::vector<uint32_t> places;
  for (const uint32_t t : chosen) {
    const auto at = std::lower_bound(ascending.begin(), ascending.end(), t);
    places.push_back(static_cast<uint32_t>(at - ascending.begin()));
  }
  PredicateTables tables;
  FrameEval narrow(**frame, tables, context_,
                   shared_.profiles ? &profile_ : nullptr);
  RETURN_IF_ERROR(hits_.Make(narrow, Narrowed(sets, *traces, ascending), places,
                             shared_.request.spans_per_spanset,
                             shared_.request.max_bytes, found));
  RETURN_IF_ERROR(narrow.TakeError());
  return true;
}

Status Worker::MakeHits(FrameEval& eval, const Spansets& sets,
                        const std::vector<uint32_t>& chosen) {
  const Stopwatch watch;
  std::vector<SizedHit> found;
  ASSIGN_OR_RETURN(const bool done, MakeFewHits(eval, sets, chosen, &found));
  if (!done) {
    RETURN_IF_ERROR(hits_.Make(eval, sets, chosen,
                               shared_.request.spans_per_spanset,
                               shared_.request.max_bytes, &found));
    RETURN_IF_ERROR(eval.TakeError());
  }
  const bool cut = found.size() < chosen.size();
  shared_.top.Add(std::move(found), cut);
  if (!shared_.profiles) return {};
  OperatorCounts& counts = profile_.Of(&shared_.plan.hits);
  ++counts.units;
  counts.rows_in += CountSet(sets.rows);
  counts.rows_out += chosen.size();
  counts.nanos += watch.Nanos();
  return {};
}

// Traces that are told stay the first of the answer: newest first, those that
// start after all that is still to come.
ScanProgress ProgressOf(const SearchRequest& request, Shared* shared) {
  ScanProgress progress;
  if (request.progress == nullptr) return progress;
  progress.every = request.progress->every;
  progress.tell = [&tell = request.progress->tell, shared, told = size_t{0}](
                      const QueryStats& stats, UnixNanos settled) mutable {
    std::vector<TraceHit> found;
    if (shared->newest_first()) found = shared->top.Settled(told, settled);
    told += tell(found, stats);
  };
  return progress;
}

void FillPage(Shared& shared, SearchResult* result) {
  TopTraces::Page page = shared.top.Take();
  const TraceOrder& order = shared.plan.order;
  const bool pages = shared.request.spans == nullptr;
  if (page.more && pages && !page.traces.empty()) {
    result->next = WriteCursor(order, CursorNameOf(*shared.plan.source),
                               order.RankOf(page.traces.back()));
  }
  result->traces = std::move(page.traces);
  result->truncated = page.truncated;
  if (!shared.request.totals) return;
  result->total_traces = shared.total_traces;
  result->total_spans = shared.total_spans;
}

}  // namespace

Result<SearchPlan> MakeSearchPlan(storage::TraceReader& reader,
                                  const RequestContext& context,
                                  const SearchRequest& request) {
  SearchPlan plan;
  RETURN_IF_ERROR(AddJudging(reader, context, *request.query, request.judge,
                             &plan.columns));
  plan.source = &PipelineOf(*request.query);
  std::optional<traceql::OrderBy> by = request.order;
  if (!by) {
    ASSIGN_OR_RETURN(by, traceql::OrderOf(*request.query));
  }
  plan.order = TraceOrder(by.value_or(traceql::OrderBy()));
  if (!request.after.empty()) {
    ASSIGN_OR_RETURN(
        plan.after,
        ReadCursor(plan.order, CursorNameOf(*plan.source), request.after));
  }
  ASSIGN_OR_RETURN(plan.pipeline, MakePipeline(*plan.source, &plan.columns));
  if (request.spans != nullptr) {
    plan.pipeline.stages.emplace(plan.pipeline.stages.begin(),
                                 MakeFilter(*request.spans, &plan.columns));
  }
  ASSIGN_OR_RETURN(plan.hits,
                   MakeHitColumns(MentionsOf(*plan.source), &plan.columns));
  RETURN_IF_ERROR(CheckColumns(plan.columns));
  return plan;
}

storage::FrameRequest ScanOf(const SearchRequest& request,
                             const SearchPlan& plan) {
  storage::FrameRequest scan{plan.columns.keys(), request.start, request.end,
                             UnixNanos{0}};
  if (request.spans != nullptr) scan.spans_start = request.spans->start;
  // What lies before the cursor in time need not be looked at again.
  const traceql::OrderBy& by = plan.order.by();
  if (plan.after && by.key == Key::kStart && !request.totals) {
    const UnixNanos cursor{plan.after->start};
    if (by.descending) {
      scan.end = std::min(scan.end, cursor);
    } else {
      scan.start = std::max(scan.start, cursor);
    }
  }
  return scan;
}

Result<SearchResult> Search(storage::TraceReader& reader,
                            const RequestContext& context,
                            const SearchRequest& request) {
  ASSIGN_OR_RETURN(const SearchPlan plan,
                   MakeSearchPlan(reader, context, request));
  if (request.limit == 0 && !request.totals) return SearchResult();
  return RunSearch(reader, context, request, plan, nullptr);
}

Result<SearchResult> RunSearch(storage::TraceReader& reader,
                               const RequestContext& context,
                               const SearchRequest& request,
                               const SearchPlan& plan,
                               ExecutionProfile* profile) {
  const Stopwatch watch;
  SearchResult result;
  ASSIGN_OR_RETURN(const std::unique_ptr<storage::FrameScan> scan,
                   reader.Scan(context, ScanOf(request, plan)));
  Shared shared{request, plan, profile != nullptr,
                TopTraces(plan.order, std::max<size_t>(request.limit, 1),
                          request.max_bytes)};
  std::vector<std::unique_ptr<Worker>> workers(
      MaxWorkers(*scan, request.helpers));
  Status loss;
  const ScanProgress progress = ProgressOf(request, &shared);
  RETURN_IF_ERROR(VisitUnits(
      *scan, context, request.helpers,
      [&](size_t number) -> UnitWorker& {
        workers[number] = std::make_unique<Worker>(shared, context);
        return *workers[number];
      },
      &result.stats, &loss, request.progress ? &progress : nullptr));
  FillPage(shared, &result);
  if (result.traces.empty() && !loss) return std::move(loss).error();
  if (profile == nullptr) return result;
  profile->scan = scan->summary();
  for (const std::unique_ptr<Worker>& worker : workers) {
    if (!worker) continue;
    ++profile->threads;
    profile->operators.Merge(worker->profile());
  }
  profile->nanos = watch.Nanos();
  return result;
}

}  // namespace khtrace::query
