// SPDX-License-Identifier: Apache-2.0
#include "query/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "query/mentions.h"
#include "query/metrics_fold.h"
#include "query/scan_units.h"
#include "query/series.h"
#include "query/spansets.h"
#include "traceql/printer.h"

namespace khtrace::query {
namespace {

using storage::FrameField;
using traceql::Attribute;
using traceql::AttributeScope;
using traceql::Intrinsic;
using traceql::MetricsExpr;
using traceql::MetricsQuery;

// Spans that a unit offers as exemplars.
constexpr size_t kExemplarsOfUnit = 8;

constexpr Intrinsic kCompared[] = {
    Intrinsic::kName,
    Intrinsic::kKind,
    Intrinsic::kStatus,
    Intrinsic::kStatusMessage,
    Intrinsic::kRootName,
    Intrinsic::kRootServiceName,
    Intrinsic::kChildCount,
    Intrinsic::kInstrumentationName,
    Intrinsic::kInstrumentationVersion,
};

// The first interval begins before 1970 where the range does at 1970.
UnixNanos StartOf(const TimeAxis& axis) {
  return {axis.start_ns > axis.end_ns ? 0 : axis.start_ns};
}

// One function over one pipeline.
struct FunctionPlan {
  const MetricsQuery* query = nullptr;
  PipelinePlan pipeline;
  FoldPlan fold;
};

Expr LeafExpr(const Attribute& attribute, ColumnSet* columns) {
  Expr expr;
  expr.kind = Expr::Kind::kLeaf;
  expr.leaf = MakeLeaf(attribute, columns);
  expr.events = expr.leaf.of_event();
  expr.links = expr.leaf.of_link();
  return expr;
}

// What a metrics query reads, and where its functions are found again.
class Planner {
 public:
  Planner(storage::TraceReader& reader, const RequestContext& context,
          const TimeAxis& axis)
      : reader_(reader), context_(context), axis_(axis) {}

  Status Add(const MetricsExpr& expr) {
    if (const auto* query = std::get_if<MetricsQuery>(&expr.node)) {
      return AddFunction(*query);
    }
    if (const auto* binary = std::get_if<traceql::MetricsBinary>(&expr.node)) {
      RETURN_IF_ERROR(Add(*binary->left));
      return Add(*binary->right);
    }
    return {};
  }

  const ColumnSet& columns() const { return columns_; }
  const std::vector<std::unique_ptr<FunctionPlan>>& functions() const {
    return functions_;
  }

 private:
  Status AddFunction(const MetricsQuery& query);
  Status AddCompare(const traceql::CompareArguments& arguments, FoldPlan* fold);

  storage::TraceReader& reader_;
  const RequestContext& context_;
  const TimeAxis& axis_;
  ColumnSet columns_;
  std::vector<std::unique_ptr<FunctionPlan>> functions_;
};

Status Planner::AddFunction(const MetricsQuery& query) {
  auto plan = std::make_unique<FunctionPlan>();
  plan->query = &query;
  ASSIGN_OR_RETURN(plan->pipeline, MakePipeline(query.pipeline, &columns_));
  FoldPlan& fold = plan->fold;
  fold.aggregate = &query.aggregate;
  fold.start.type = traceql::Type::kInt;
  fold.start.columns[0] = columns_.Add(FrameField::kStart);
  if (query.aggregate.attribute) {
    fold.value = LeafExpr(*query.aggregate.attribute, &columns_);
  }
  for (const Attribute& by : query.aggregate.by) {
    fold.by.push_back(LeafExpr(by, &columns_));
  }
  RETURN_IF_ERROR(CheckColumns(columns_));
  if (query.aggregate.compare) {
    RETURN_IF_ERROR(AddCompare(*query.aggregate.compare, &fold));
  }
  functions_.push_back(std::move(plan));
  return {};
}

Status Planner::AddCompare(const traceql::CompareArguments& arguments,
                           FoldPlan* fold) {
  ASSIGN_OR_RETURN(fold->selection,
                   MakeCondition(arguments.selection.condition, &columns_));
  ASSIGN_OR_RETURN(const storage::AttributeKeys keys,
                   reader_.Keys(context_, StartOf(axis_), {axis_.end_ns}));
  const auto add = [&](const Attribute& attribute) {
    FoldPlan::Compared& compared = fold->compared.emplace_back();
    compared.key = traceql::ToString(attribute);
    compared.value = LeafExpr(attribute, &columns_);
    compared.skip_empty = attribute.intrinsic != Intrinsic::kNone;
  };
  const auto add_keys = [&](AttributeScope scope, const auto& names) {
    for (const std::string& name : names) {
      Attribute attribute;
      attribute.scope = scope;
      attribute.name = name;
      add(attribute);
    }
  };
  add_keys(AttributeScope::kSpan, keys.span);
  add_keys(AttributeScope::kResource, keys.resource);
  add_keys(AttributeScope::kInstrumentation, keys.instrumentation);
  for (const Intrinsic intrinsic : kCompared) {
    Attribute attribute;
    attribute.intrinsic = intrinsic;
    add(attribute);
  }
  return {};
}

class Worker : public UnitWorker {
 public:
  // `cache` may be nullptr. `name`: what cached folds of the query are kept
  // under, behind it the unit's identity.
  Worker(const Planner& planner, const RequestContext& context,
         const TimeAxis& axis, size_t exemplars, MetricsCache* cache,
         const std::string& name)
      : planner_(planner),
        context_(context),
        axis_(axis),
        exemplars_(exemplars),
        cache_(cache),
        name_(name),
        folds_(MakeFolds()) {}

  bool Wants(UnixNanos) override { return true; }
  Result<bool> Known(const std::string& identity) override;
  Status Visit(storage::TraceFrame& frame,
               const std::string& identity) override;

  std::vector<std::unique_ptr<MetricsFold>>& folds() { return folds_; }

 private:
  std::vector<std::unique_ptr<MetricsFold>> MakeFolds() const;
  Status Gather(storage::TraceFrame& frame,
                std::vector<std::unique_ptr<MetricsFold>>& folds);

  const Planner& planner_;
  const RequestContext& context_;
  const TimeAxis& axis_;
  const size_t exemplars_;
  MetricsCache* const cache_;
  const std::string& name_;
  PredicateTables tables_;
  std::vector<std::unique_ptr<MetricsFold>> folds_;
};

std::vector<std::unique_ptr<MetricsFold>> Worker::MakeFolds() const {
  std::vector<std::unique_ptr<MetricsFold>> folds;
  for (const auto& function : planner_.functions()) {
    folds.push_back(function->fold.selection
                        ? MakeCompareFold(function->fold, axis_)
                        : MakeFold(function->fold, axis_, exemplars_));
  }
  return folds;
}

Result<bool> Worker::Known(const std::string& identity) {
  if (cache_ == nullptr) return false;
  const MetricsCache::Folds known = cache_->Find(name_ + identity);
  if (known.size() != folds_.size()) return false;
  for (size_t i = 0; i < folds_.size(); ++i) {
    RETURN_IF_ERROR(folds_[i]->Merge(*known[i]));
  }
  return true;
}

Status Worker::Gather(storage::TraceFrame& frame,
                      std::vector<std::unique_ptr<MetricsFold>>& folds) {
  FrameEval eval(frame, tables_, context_);
  for (size_t i = 0; i < folds.size(); ++i) {
    const FunctionPlan& function = *planner_.functions()[i];
    ASSIGN_OR_RETURN(const bool may, MayMatch(function.pipeline, eval));
    if (!may) continue;
    ASSIGN_OR_RETURN(Spansets sets, AllSpans(eval));
    RETURN_IF_ERROR(RunPipeline(function.pipeline, eval, &sets));
    if (!AnySet(sets.rows)) continue;
    RETURN_IF_ERROR(folds[i]->Add(eval, sets.rows));
    RETURN_IF_ERROR(eval.TakeError());
  }
  return {};
}

Status Worker::Visit(storage::TraceFrame& frame, const std::string& identity) {
  if (cache_ == nullptr || identity.empty()) return Gather(frame, folds_);
  std::vector<std::unique_ptr<MetricsFold>> own = MakeFolds();
  RETURN_IF_ERROR(Gather(frame, own));
  MetricsCache::Folds kept;
  for (size_t i = 0; i < folds_.size(); ++i) {
    RETURN_IF_ERROR(folds_[i]->Merge(*own[i]));
    own[i]->Seal();
    kept.push_back(std::move(own[i]));
  }
  cache_->Keep(name_ + identity, std::move(kept));
  return {};
}

// From what was counted to the series of the whole expression.
class Evaluator {
 public:
  explicit Evaluator(std::vector<std::unique_ptr<MetricsFold>>& folds)
      : folds_(folds) {}

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
  std::vector<std::unique_ptr<MetricsFold>>& folds_;
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

}  // namespace

Result<MetricsResult> RunMetrics(storage::TraceReader& reader,
                                 const RequestContext& context,
                                 const MetricsRequest& request) {
  MetricsResult result;
  RETURN_IF_ERROR(CheckSupported(*request.query));
  ASSIGN_OR_RETURN(result.axis, TimeAxis::Make(request));
  const auto& root = std::get<MetricsExpr>(request.query->root);
  Planner planner(reader, context, result.axis);
  RETURN_IF_ERROR(planner.Add(root));
  const UnixNanos start = StartOf(result.axis);
  ASSIGN_OR_RETURN(
      const std::unique_ptr<storage::FrameScan> scan,
      reader.Scan(
          context,
          {planner.columns().keys(), start, {result.axis.end_ns}, start}));
  const size_t exemplars = ExemplarLimit(request);
  std::vector<std::unique_ptr<Worker>> workers(
      MaxWorkers(*scan, request.helpers));
  const size_t offered = std::min(exemplars, kExemplarsOfUnit);
  const std::string name = fmt::format(
      "{}\n{} {} {} {}\n", traceql::Print(root), result.axis.start_ns,
      result.axis.step_ns, result.axis.end_ns, offered);
  // What compare() counts depends on the keys that there are.
  const bool compares =
      std::any_of(planner.functions().begin(), planner.functions().end(),
                  [](const auto& f) { return f->fold.selection.has_value(); });
  MetricsCache* const cache = compares ? nullptr : request.cache;
  const auto make = [&](size_t number) -> UnitWorker& {
    workers[number] = std::make_unique<Worker>(planner, context, result.axis,
                                               offered, cache, name);
    return *workers[number];
  };
  Status loss;
  RETURN_IF_ERROR(
      VisitUnits(*scan, context, request.helpers, make, &result.stats, &loss));
  if (!loss && result.stats.units_lost == result.stats.units_done) {
    return std::move(loss).error();
  }
  auto& folds = workers[0]->folds();
  for (size_t w = 1; w < workers.size(); ++w) {
    if (!workers[w]) continue;
    for (size_t i = 0; i < folds.size(); ++i) {
      RETURN_IF_ERROR(folds[i]->Merge(*workers[w]->folds()[i]));
    }
  }
  ASSIGN_OR_RETURN(Operand all, Evaluator(folds).Evaluate(root));
  result.series = std::move(all.series);
  Finish(request.max_series, &result);
  LimitExemplars(exemplars, &result.series);
  if (!loss) {
    result.partial = true;
    result.message = loss.error().message;
  }
  return result;
}

}  // namespace khtrace::query
