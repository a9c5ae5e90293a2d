// SPDX-License-Identifier: Apache-2.0
#include "query/search.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <memory>
#include <utility>

#include "query/mentions.h"
#include "query/scan_units.h"
#include "query/search_plan.h"

namespace khtrace::query {
namespace {

bool Better(const TraceHit& a, const TraceHit& b) {
  if (a.start != b.start) return a.start > b.start;
  return a.trace_id < b.trace_id;
}

// What all threads of a search share.
struct Shared {
  const SearchRequest& request;
  const SearchPlan& plan;
  const bool profiles;
  // No trace that starts before can be in the answer any more.
  std::atomic<uint64_t> bound{0};
  std::atomic<size_t> bytes{0};
  std::atomic<bool> full{false};
};

class Worker : public UnitWorker {
 public:
  Worker(Shared& shared, const RequestContext& context)
      : shared_(shared), context_(context), hits_(shared.plan.hits) {}

  bool Wants(UnixNanos newest_start) override {
    return newest_start.ns >= shared_.bound.load(std::memory_order_relaxed) &&
           !shared_.full.load(std::memory_order_relaxed);
  }
  Result<bool> Known(const std::string&) override { return false; }
  Status Visit(storage::TraceFrame& frame, const std::string&) override;

  std::vector<TraceHit> Take() { return std::move(found_); }
  const Profile& profile() const { return profile_; }

 private:
  Result<std::vector<uint32_t>> Choose(FrameEval& eval, const Spansets& sets);
  void Prune();

  Shared& shared_;
  const RequestContext& context_;
  Profile profile_;
  PredicateTables tables_;
  HitMaker hits_;
  std::vector<TraceHit> found_;
  size_t bytes_ = 0;  // of found_, more or less
};

// The frame's traces that may be in the answer, newest first.
Result<std::vector<uint32_t>> Worker::Choose(FrameEval& eval,
                                             const Spansets& sets) {
  RETURN_IF_ERROR(eval.tree().Load());
  ASSIGN_OR_RETURN(const std::vector<model::TraceId>* ids,
                   eval.frame().TraceIds());
  const storage::FrameTraces& traces = eval.tree().traces();
  const SearchRequest& request = shared_.request;
  const uint64_t bound = shared_.bound.load(std::memory_order_relaxed);
  std::vector<uint32_t> chosen;
  for (uint32_t t = 0; t < eval.tree().trace_count(); ++t) {
    const uint64_t start = traces.starts[t];
    if (start < bound || start > request.end.ns ||
        start + traces.durations[t] < request.start.ns) {
      continue;
    }
    const auto first = sets.rows.begin() + traces.first_rows[t];
    const auto end = sets.rows.begin() + traces.first_rows[t + 1];
    if (std::find(first, end, 1) != end) chosen.push_back(t);
  }
  const auto newer = [&](uint32_t a, uint32_t b) {
    if (traces.starts[a] != traces.starts[b]) {
      return traces.starts[a] > traces.starts[b];
    }
    return (*ids)[a] < (*ids)[b];
  };
  if (chosen.size() > request.limit) {
    std::nth_element(chosen.begin(),
                     chosen.begin() + static_cast<ptrdiff_t>(request.limit),
                     chosen.end(), newer);
    chosen.resize(request.limit);
  }
  std::sort(chosen.begin(), chosen.end(), newer);
  return chosen;
}

Status Worker::Visit(storage::TraceFrame& frame, const std::string&) {
  FrameEval eval(frame, tables_, context_,
                 shared_.profiles ? &profile_ : nullptr);
  ASSIGN_OR_RETURN(const bool may, MayMatch(shared_.plan.pipeline, eval));
  if (!may) return {};
  ASSIGN_OR_RETURN(Spansets sets, AllSpans(eval));
  RETURN_IF_ERROR(RunPipeline(shared_.plan.pipeline, eval, &sets));
  if (!AnySet(sets.rows)) return {};
  ASSIGN_OR_RETURN(const std::vector<uint32_t> chosen, Choose(eval, sets));
  if (chosen.empty()) return {};
  const Stopwatch watch;
  size_t bytes = 0;
  RETURN_IF_ERROR(hits_.Make(eval, sets, chosen,
                             shared_.request.spans_per_spanset,
                             shared_.request.max_bytes, &found_, &bytes));
  RETURN_IF_ERROR(eval.TakeError());
  if (shared_.profiles) {
    OperatorCounts& counts = profile_.Of(&shared_.plan.hits);
    ++counts.units;
    counts.rows_in += CountSet(sets.rows);
    counts.rows_out += chosen.size();
    counts.nanos += watch.Nanos();
  }
  const size_t made = found_.size();
  Prune();
  // What was forgotten again takes no memory.
  const size_t before = std::exchange(
      bytes_, (bytes_ + bytes) / std::max<size_t>(made, 1) * found_.size());
  const size_t all = shared_.bytes += bytes_ - before;
  if (all > shared_.request.max_bytes) shared_.full = true;
  return {};
}

// Forgets what cannot be in the answer, and tells the others.
void Worker::Prune() {
  const size_t limit = shared_.request.limit;
  if (found_.size() < limit) return;
  std::nth_element(found_.begin(),
                   found_.begin() + static_cast<ptrdiff_t>(limit - 1),
                   found_.end(), Better);
  const uint64_t worst = found_[limit - 1].start.ns;
  found_.resize(limit);
  uint64_t known = shared_.bound.load();
  while (known < worst && !shared_.bound.compare_exchange_weak(known, worst)) {
  }
}

}  // namespace

Result<SearchPlan> MakeSearchPlan(const SearchRequest& request) {
  if (request.order || !request.after.empty() || request.totals) {
    return Error{Code::kUnimplemented,
                 "order, cursors and totals of a search: not yet"};
  }
  RETURN_IF_ERROR(CheckSupported(*request.query));
  SearchPlan plan;
  plan.source = &PipelineOf(*request.query);
  ASSIGN_OR_RETURN(plan.pipeline, MakePipeline(*plan.source, &plan.columns));
  ASSIGN_OR_RETURN(plan.hits,
                   MakeHitColumns(MentionsOf(*plan.source), &plan.columns));
  RETURN_IF_ERROR(CheckColumns(plan.columns));
  return plan;
}

storage::FrameRequest ScanOf(const SearchRequest& request,
                             const SearchPlan& plan) {
  return {plan.columns.keys(), request.start, request.end, UnixNanos{0}};
}

Result<SearchResult> Search(storage::TraceReader& reader,
                            const RequestContext& context,
                            const SearchRequest& request) {
  ASSIGN_OR_RETURN(const SearchPlan plan, MakeSearchPlan(request));
  if (request.limit == 0) return SearchResult();
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
  Shared shared{request, plan, profile != nullptr};
  std::vector<std::unique_ptr<Worker>> workers(
      MaxWorkers(*scan, request.helpers));
  Status loss;
  RETURN_IF_ERROR(VisitUnits(
      *scan, context, request.helpers,
      [&](size_t number) -> UnitWorker& {
        workers[number] = std::make_unique<Worker>(shared, context);
        return *workers[number];
      },
      &result.stats, &loss));
  if (profile != nullptr) profile->scan = scan->summary();
  for (const std::unique_ptr<Worker>& worker : workers) {
    if (!worker) continue;
    std::vector<TraceHit> found = worker->Take();
    std::move(found.begin(), found.end(), std::back_inserter(result.traces));
    if (profile == nullptr) continue;
    ++profile->threads;
    profile->operators.Merge(worker->profile());
  }
  std::sort(result.traces.begin(), result.traces.end(), Better);
  if (result.traces.size() > request.limit) {
    result.traces.resize(request.limit);
  }
  result.truncated = shared.full;
  if (result.traces.empty() && !loss) return std::move(loss).error();
  if (profile != nullptr) profile->nanos = watch.Nanos();
  return result;
}

}  // namespace khtrace::query
