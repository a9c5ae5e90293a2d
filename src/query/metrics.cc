// SPDX-License-Identifier: Apache-2.0
#include "query/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "query/judging.h"
#include "query/metrics_plan.h"
#include "query/scan_units.h"
#include "query/series.h"
#include "traceql/printer.h"

namespace khtrace::query {
namespace {

using traceql::MetricsExpr;

// Spans that a unit offers as exemplars.
constexpr size_t kExemplarsOfUnit = 8;

using Folds = std::vector<std::unique_ptr<MetricsFold>>;

Folds MakeFolds(const MetricsPlan& plan, size_t exemplars) {
  Folds folds;
  for (const auto& function : plan.functions) {
    folds.push_back(function->fold.selection
                        ? MakeCompareFold(function->fold, plan.axis)
                        : MakeFold(function->fold, plan.axis, exemplars));
  }
  return folds;
}

Status MergeFolds(const Folds& from, Folds* to) {
  for (size_t i = 0; i < to->size(); ++i) {
    RETURN_IF_ERROR((*to)[i]->Merge(*from[i]));
  }
  return {};
}

// What workers have put together so far, for progress: when it was told, they
// bring what they have by then, each after its unit.
class SoFar {
 public:
  SoFar(const MetricsPlan& plan, size_t exemplars)
      : plan_(plan),
        exemplars_(exemplars),
        folds_(MakeFolds(plan, exemplars)) {}

  // `brought`: how often the worker did; its folds are new ones then.
  Status Bring(Folds* own, size_t* brought) KHTRACE_EXCLUDES(mu_) {
    if (wanted_.load(std::memory_order_relaxed) == *brought) return {};
    MutexLock lock(mu_);
    *brought = wanted_.load(std::memory_order_relaxed);
    RETURN_IF_ERROR(MergeFolds(*own, &folds_));
    *own = MakeFolds(plan_, exemplars_);
    return {};
  }
  // Of a query that is one function.
  std::vector<Series> Take() KHTRACE_EXCLUDES(mu_) {
    wanted_.fetch_add(1, std::memory_order_relaxed);
    MutexLock lock(mu_);
    return folds_[0]->Take();
  }
  Status MergeInto(Folds* all) KHTRACE_EXCLUDES(mu_) {
    MutexLock lock(mu_);
    return MergeFolds(folds_, all);
  }

 private:
  const MetricsPlan& plan_;
  const size_t exemplars_;
  std::atomic<size_t> wanted_{0};
  Mutex mu_;
  Folds folds_ KHTRACE_GUARDED_BY(mu_);
};

class Worker : public UnitWorker {
 public:
  // `cache` may be nullptr. `name`: what cached folds of the query are kept
  // under, behind it the unit's identity.
  // `profiles`: whether it keeps a profile. `so_far`: nullptr without progress.
  Worker(const MetricsPlan& plan, const RequestContext& context,
         size_t exemplars, MetricsCache* cache, const std::string& name,
         bool profiles, SoFar* so_far)
      : plan_(plan),
        context_(context),
        exemplars_(exemplars),
        cache_(cache),
        name_(name),
        profiles_(profiles),
        so_far_(so_far),
        folds_(MakeFolds(plan, exemplars)) {}

  bool Wants(UnixNanos) override { return true; }
  Result<bool> Known(const std::string& identity) override;
  Status Visit(storage::TraceFrame& frame,
               const std::string& identity) override;

  Folds& folds() { return folds_; }
  const Profile& profile() const { return profile_; }

 private:
  Status AddTo(MetricsFold& fold, const FoldPlan& plan, FrameEval& eval,
               const Mask& rows, double weight);
  Status Gather(storage::TraceFrame& frame, Folds& folds);
  Status Bring() {
    return so_far_ ? so_far_->Bring(&folds_, &brought_) : Status();
  }

  const MetricsPlan& plan_;
  const RequestContext& context_;
  const size_t exemplars_;
  MetricsCache* const cache_;
  const std::string& name_;
  const bool profiles_;
  Profile profile_;
  PredicateTables tables_;
  SoFar* const so_far_;
  size_t brought_ = 0;
  Folds folds_;
};

Result<bool> Worker::Known(const std::string& identity) {
  if (cache_ == nullptr) return false;
  const MetricsCache::Folds known = cache_->Find(name_ + identity);
  if (known.size() != folds_.size()) return false;
  for (size_t i = 0; i < folds_.size(); ++i) {
    RETURN_IF_ERROR(folds_[i]->Merge(*known[i]));
  }
  RETURN_IF_ERROR(Bring());
  return true;
}

Status Worker::AddTo(MetricsFold& fold, const FoldPlan& plan, FrameEval& eval,
                     const Mask& rows, double weight) {
  const Stopwatch watch;
  RETURN_IF_ERROR(fold.Add(eval, rows, weight));
  RETURN_IF_ERROR(eval.TakeError());
  if (!profiles_) return {};
  OperatorCounts& counts = profile_.Of(&plan);
  ++counts.units;
  counts.rows_in += CountSet(rows);
  counts.nanos += watch.Nanos();
  return {};
}

Status Worker::Gather(storage::TraceFrame& frame, Folds& folds) {
  FrameEval eval(frame, tables_, context_, profiles_ ? &profile_ : nullptr);
  for (size_t i = 0; i < folds.size(); ++i) {
    const FunctionPlan& function = *plan_.functions[i];
    RETURN_IF_ERROR(
        RunSampled(function.spans, context_, eval,
                   [&](FrameEval& of, const Mask& rows, double weight) {
                     return AddTo(*folds[i], function.fold, of, rows, weight);
                   }));
  }
  return {};
}

Status Worker::Visit(storage::TraceFrame& frame, const std::string& identity) {
  if (cache_ == nullptr || identity.empty()) {
    RETURN_IF_ERROR(Gather(frame, folds_));
    return Bring();
  }
  Folds own = MakeFolds(plan_, exemplars_);
  RETURN_IF_ERROR(Gather(frame, own));
  MetricsCache::Folds kept;
  for (size_t i = 0; i < folds_.size(); ++i) {
    RETURN_IF_ERROR(folds_[i]->Merge(*own[i]));
    own[i]->Seal();
    kept.push_back(std::move(own[i]));
  }
  cache_->Keep(name_ + identity, std::move(kept));
  return Bring();
}

// From what was counted to the series of the whole expression.
class Evaluator {
 public:
  explicit Evaluator(Folds& folds) : folds_(folds) {}

  Result<Operand> Evaluate(const MetricsExpr& expr) {
    Operand out;
    if (const auto* constant = std::get_if<traceql::ScalarExpr>(&expr.node)) {
      ASSIGN_OR_RETURN(out.number, ConstantOf(*constant));
      out.constant = true;
      return out;
    }
    if (const auto* binary = std::get_if<traceql::MetricsBinary>(&expr.node)) {
      ASSIGN_OR_RETURN(const Operand left, Evaluate(*binary->left));
      ASSIGN_OR_RETURN(const Operand right, Evaluate(*binary->right));
      out.series = Calculate(binary->op, left, right);
    } else {
      out.series = folds_[next_++]->Take();
      // Functions give their series in any order; ties in topk() need one.
      std::sort(out.series.begin(), out.series.end(),
                [](const Series& a, const Series& b) {
                  return Order(a.labels, b.labels) < 0;
                });
    }
    RETURN_IF_ERROR(ApplyStages(expr.stages, &out.series));
    return out;
  }

 private:
  Folds& folds_;
  size_t next_ = 0;
};

// Leaves `limit` of all, spread over the series.
void LimitExemplars(size_t limit, std::vector<Series>* series) {
  size_t total = 0;
  for (const Series& s : *series) total += s.exemplars.size();
  if (total <= limit) return;
  size_t seen = 0;
  for (Series& s : *series) {
    std::erase_if(s.exemplars, [&](const Exemplar&) {
      const size_t before = seen * limit / total;
      ++seen;
      return seen * limit / total == before;
    });
  }
}

// What folds of the query are kept under in the cache.
std::string CacheName(const MetricsExpr& root, const MetricsPlan& plan,
                      size_t exemplars, bool sliding) {
  const TimeAxis& axis = plan.axis;
  const Judging* judging = plan.columns.judging().get();
  const std::string range =
      sliding
          ? fmt::format("{}", axis.end_ns - axis.start_ns)
          : fmt::format("{} {} {}", axis.start_ns, axis.step_ns, axis.end_ns);
  std::string name =
      fmt::format("{}\n{} {}\n{}\n", traceql::Print(root), range, exemplars,
                  judging == nullptr ? "" : judging->identity);
  for (const auto& function : plan.functions) {
    const Sampling& sampling = function->spans.sampling;
    name += fmt::format("{} {} {}\n", sampling.traces, sampling.spans,
                        static_cast<int>(sampling.adaptive));
  }
  return name;
}

using Workers = std::vector<std::unique_ptr<Worker>>;

// Brings what all gathered together in the first one.
Status MergeWorkers(const Workers& workers, SoFar* so_far) {
  auto& folds = workers[0]->folds();
  for (size_t w = 1; w < workers.size(); ++w) {
    if (workers[w]) RETURN_IF_ERROR(MergeFolds(workers[w]->folds(), &folds));
  }
  return so_far == nullptr ? Status() : so_far->MergeInto(&folds);
}

// Whether no sample goes once it is there.
bool OnlyGrows(const MetricsExpr& root) {
  const auto* function = std::get_if<traceql::MetricsQuery>(&root.node);
  return function != nullptr && !function->aggregate.compare &&
         root.stages.empty();
}

ScanProgress ProgressOf(const MetricsRequest& request, const MetricsPlan& plan,
                        const MetricsExpr& root, SoFar* so_far) {
  ScanProgress progress;
  if (request.progress == nullptr) return progress;
  progress.every = request.progress->every;
  progress.tell = [&request, &plan, so_far, tells = OnlyGrows(root)](
                      const QueryStats& stats, UnixNanos) {
    MetricsResult told;
    told.axis = plan.axis;
    told.stats = stats;
    if (tells) told.series = so_far->Take();
    const size_t limit = request.max_series;
    if (limit != 0 && told.series.size() > limit) told.series.clear();
    for (Series& series : told.series) series.exemplars.clear();
    request.progress->tell(told);
  };
  return progress;
}

void MergeProfiles(const Workers& workers, const storage::FrameScan& scan,
                   ExecutionProfile* profile) {
  profile->scan = scan.summary();
  for (const std::unique_ptr<Worker>& worker : workers) {
    if (!worker) continue;
    ++profile->threads;
    profile->operators.Merge(worker->profile());
  }
}

}  // namespace

Result<MetricsResult> RunMetrics(storage::TraceReader& reader,
                                 const RequestContext& context,
                                 const MetricsRequest& request) {
  ASSIGN_OR_RETURN(const MetricsPlan plan,
                   MakeMetricsPlan(reader, context, request));
  return RunMetrics(reader, context, request, plan, nullptr);
}

Result<MetricsResult> RunMetrics(storage::TraceReader& reader,
                                 const RequestContext& context,
                                 const MetricsRequest& request,
                                 const MetricsPlan& plan,
                                 ExecutionProfile* profile) {
  const Stopwatch watch;
  MetricsResult result;
  result.axis = plan.axis;
  const auto& root = std::get<MetricsExpr>(request.query->root);
  ASSIGN_OR_RETURN(const std::unique_ptr<storage::FrameScan> scan,
                   reader.Scan(context, ScanOf(plan)));
  const size_t exemplars = ExemplarLimit(request);
  Workers workers(MaxWorkers(*scan, request.helpers));
  const size_t offered = std::min(exemplars, kExemplarsOfUnit);
  const std::string name =
      CacheName(root, plan, offered, request.sliding && request.instant);
  MetricsCache* const cache = plan.cacheable() ? request.cache : nullptr;
  std::optional<SoFar> so_far;
  if (request.progress != nullptr) so_far.emplace(plan, offered);
  SoFar* const shared = so_far ? &*so_far : nullptr;
  const auto make = [&](size_t number) -> UnitWorker& {
    workers[number] = std::make_unique<Worker>(
        plan, context, offered, cache, name, profile != nullptr, shared);
    return *workers[number];
  };
  const ScanProgress progress = ProgressOf(request, plan, root, shared);
  Status loss;
  RETURN_IF_ERROR(VisitUnits(*scan, context, request.helpers, make,
                             &result.stats, &loss,
                             shared != nullptr ? &progress : nullptr));
  if (!loss && result.stats.units_lost == result.stats.units_done) {
    return std::move(loss).error();
  }
  if (profile != nullptr) MergeProfiles(workers, *scan, profile);
  RETURN_IF_ERROR(MergeWorkers(workers, shared));
  ASSIGN_OR_RETURN(Operand all, Evaluator(workers[0]->folds()).Evaluate(root));
  result.series = std::move(all.series);
  Finish(request.max_series, &result);
  LimitExemplars(exemplars, &result.series);
  if (!loss) {
    result.partial = true;
    result.message = loss.error().message;
  }
  if (profile != nullptr) profile->nanos = watch.Nanos();
  return result;
}

}  // namespace khtrace::query
