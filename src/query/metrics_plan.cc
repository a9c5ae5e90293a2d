// SPDX-License-Identifier: Apache-2.0
#include "query/metrics_plan.h"

#include <algorithm>
#include <utility>

#include "query/judging.h"

namespace khtrace::query {
namespace {

using storage::FrameField;
using traceql::Attribute;
using traceql::AttributeScope;
using traceql::Intrinsic;
using traceql::MetricsExpr;
using traceql::MetricsQuery;

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

Expr LeafExpr(const Attribute& attribute, ColumnSet* columns) {
  Expr expr;
  expr.kind = Expr::Kind::kLeaf;
  expr.leaf = MakeLeaf(attribute, columns);
  expr.events = expr.leaf.of_event();
  expr.links = expr.leaf.of_link();
  return expr;
}

// Of a query whose share is to be found out: where it costs more than it saves.
void LeaveOutSampling(const FoldPlan& fold, SampledPipeline* spans) {
  const auto column = [](const Expr& value) {
    return value.leaf.kind == Leaf::Kind::kColumn && !value.leaf.parent;
  };
  Sampling& sampling = spans->sampling;
  spans->cheap = sampling.adaptive == Sampling::Adaptive::kSpans &&
                 !fold.aggregate->compare && fold.by.size() <= 1 &&
                 std::all_of(fold.by.begin(), fold.by.end(), column) &&
                 (!fold.value || column(*fold.value)) &&
                 IsCheap(spans->pipeline);
  if (spans->cheap) sampling.adaptive = Sampling::Adaptive::kNone;
}

// What a metrics query reads, and where its functions are found again.
class Planner {
 public:
  Planner(storage::TraceReader& reader, const RequestContext& context,
          const traceql::Query& query, MetricsPlan* plan)
      : reader_(reader), context_(context), query_(query), plan_(plan) {}

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

 private:
  Status AddFunction(const MetricsQuery& query);
  Status AddCompare(const traceql::CompareArguments& arguments, FoldPlan* fold);

  storage::TraceReader& reader_;
  const RequestContext& context_;
  const traceql::Query& query_;
  MetricsPlan* const plan_;
};

Status Planner::AddFunction(const MetricsQuery& query) {
  auto plan = std::make_unique<FunctionPlan>();
  plan->query = &query;
  ASSIGN_OR_RETURN(plan->spans.pipeline,
                   MakePipeline(query.pipeline, &plan_->columns));
  plan->spans.sampling = SamplingOf(query_, query.pipeline);
  FoldPlan& fold = plan->fold;
  fold.aggregate = &query.aggregate;
  fold.start.type = traceql::Type::kInt;
  fold.start.columns[0] = plan_->columns.Add(FrameField::kStart);
  plan->spans.start = fold.start;
  if (query.aggregate.attribute) {
    fold.value = LeafExpr(*query.aggregate.attribute, &plan_->columns);
  }
  for (const Attribute& by : query.aggregate.by) {
    fold.by.push_back(LeafExpr(by, &plan_->columns));
  }
  RETURN_IF_ERROR(CheckColumns(plan_->columns));
  LeaveOutSampling(fold, &plan->spans);
  if (query.aggregate.compare) {
    RETURN_IF_ERROR(AddCompare(*query.aggregate.compare, &fold));
  }
  plan_->functions.push_back(std::move(plan));
  return {};
}

Status Planner::AddCompare(const traceql::CompareArguments& arguments,
                           FoldPlan* fold) {
  ASSIGN_OR_RETURN(fold->selection, MakeCondition(arguments.selection.condition,
                                                  &plan_->columns));
  ASSIGN_OR_RETURN(
      const storage::AttributeKeys keys,
      reader_.Keys(context_, StartOf(plan_->axis), {plan_->axis.end_ns}));
  const auto add = [&](const Attribute& attribute) {
    FoldPlan::Compared& compared = fold->compared.emplace_back();
    compared.key = traceql::ToString(attribute);
    compared.value = LeafExpr(attribute, &plan_->columns);
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

}  // namespace

bool MetricsPlan::cacheable() const {
  return std::none_of(functions.begin(), functions.end(), [](const auto& f) {
    return f->fold.selection.has_value();
  });
}

Result<MetricsPlan> MakeMetricsPlan(storage::TraceReader& reader,
                                    const RequestContext& context,
                                    const MetricsRequest& request) {
  MetricsPlan plan;
  ASSIGN_OR_RETURN(plan.axis, TimeAxis::Make(request));
  RETURN_IF_ERROR(AddJudging(reader, context, *request.query, request.judge,
                             &plan.columns));
  Planner planner(reader, context, *request.query, &plan);
  RETURN_IF_ERROR(planner.Add(std::get<MetricsExpr>(request.query->root)));
  return plan;
}

storage::FrameRequest ScanOf(const MetricsPlan& plan) {
  const UnixNanos start = StartOf(plan.axis);
  return {plan.columns.keys(), start, {plan.axis.end_ns}, start};
}

}  // namespace khtrace::query
