// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "query/spansets.h"
#include "traceql/printer.h"

// From the tree of a query to plans.

namespace khtrace::query {
namespace {

using traceql::Pipeline;

Result<SpansetPlan> MakeSpanset(const traceql::SpansetExpr& expr,
                                ColumnSet* columns) {
  SpansetPlan plan;
  if (const auto* filter = std::get_if<traceql::SpansetFilter>(&expr.node)) {
    ASSIGN_OR_RETURN(plan.filter, MakeCondition(filter->condition, columns));
    return plan;
  }
  if (const auto* binary = std::get_if<traceql::SpansetBinary>(&expr.node)) {
    plan.op = binary->op;
    ASSIGN_OR_RETURN(SpansetPlan left, MakeSpanset(*binary->left, columns));
    ASSIGN_OR_RETURN(SpansetPlan right, MakeSpanset(*binary->right, columns));
    plan.left = std::make_unique<SpansetPlan>(std::move(left));
    plan.right = std::make_unique<SpansetPlan>(std::move(right));
    return plan;
  }
  const auto& pipeline = std::get<traceql::Box<Pipeline>>(expr.node);
  ASSIGN_OR_RETURN(PipelinePlan inner, MakePipeline(*pipeline, columns));
  plan.pipeline = std::make_unique<PipelinePlan>(std::move(inner));
  return plan;
}

Status SetAggregate(const traceql::Aggregate& aggregate, ColumnSet* columns,
                    ScalarPlan* plan) {
  plan->op = aggregate.op;
  plan->text = traceql::Print(*plan->source);
  if (!aggregate.operand) return {};
  ASSIGN_OR_RETURN(plan->operand, MakeValue(*aggregate.operand, columns));
  return {};
}

Result<ScalarPlan> MakeScalar(const traceql::ScalarExpr& expr,
                              ColumnSet* columns) {
  ScalarPlan plan;
  plan.source = &expr;
  const auto add_child = [&](const traceql::ScalarExpr& child) -> Status {
    ASSIGN_OR_RETURN(ScalarPlan made, MakeScalar(child, columns));
    plan.children.push_back(std::move(made));
    return {};
  };
  if (const auto* literal = std::get_if<traceql::Static>(&expr.node)) {
    plan.constant = FromStatic(*literal);
  } else if (const auto* aggregate =
                 std::get_if<traceql::Aggregate>(&expr.node)) {
    plan.kind = ScalarPlan::Kind::kAggregate;
    RETURN_IF_ERROR(SetAggregate(*aggregate, columns, &plan));
  } else if (const auto* negate =
                 std::get_if<traceql::ScalarNegate>(&expr.node)) {
    plan.kind = ScalarPlan::Kind::kNegate;
    RETURN_IF_ERROR(add_child(*negate->operand));
  } else if (const auto* binary =
                 std::get_if<traceql::ScalarBinary>(&expr.node)) {
    plan.kind = ScalarPlan::Kind::kBinary;
    plan.binary = binary->op;
    RETURN_IF_ERROR(add_child(*binary->left));
    RETURN_IF_ERROR(add_child(*binary->right));
  } else {
    const auto& scalar = std::get<traceql::ScalarPipeline>(expr.node);
    plan.kind = ScalarPlan::Kind::kPipeline;
    RETURN_IF_ERROR(SetAggregate(scalar.aggregate, columns, &plan));
    ASSIGN_OR_RETURN(PipelinePlan inner,
                     MakePipeline(*scalar.pipeline, columns));
    plan.pipeline = std::make_unique<PipelinePlan>(std::move(inner));
  }
  return plan;
}

// Makes the plan of each kind of stage; nothing for select().
struct StageMaker {
  ColumnSet* columns;
  PipelinePlan* plan;

  Status operator()(const traceql::SpansetExpr& expr) const {
    ASSIGN_OR_RETURN(SpansetPlan made, MakeSpanset(expr, columns));
    plan->stages.emplace_back(std::move(made));
    return {};
  }
  Status operator()(const traceql::ScalarFilter& filter) const {
    ScalarFilterPlan made;
    made.op = filter.op;
    ASSIGN_OR_RETURN(made.left, MakeScalar(filter.left, columns));
    ASSIGN_OR_RETURN(made.right, MakeScalar(filter.right, columns));
    plan->stages.emplace_back(std::move(made));
    return {};
  }
  Status operator()(const traceql::GroupBy& group) const {
    GroupPlan made;
    ASSIGN_OR_RETURN(made.key, MakeValue(group.key, columns));
    made.text = fmt::format("by({})", traceql::Print(group.key));
    plan->stages.emplace_back(std::move(made));
    return {};
  }
  Status operator()(const traceql::Coalesce&) const {
    plan->stages.emplace_back(CoalescePlan{});
    return {};
  }
  Status operator()(const traceql::Select&) const { return {}; }
};

}  // namespace

Result<PipelinePlan> MakePipeline(const Pipeline& pipeline,
                                  ColumnSet* columns) {
  PipelinePlan plan;
  for (const traceql::Stage& stage : pipeline.stages) {
    RETURN_IF_ERROR(std::visit(StageMaker{columns, &plan}, stage));
  }
  return plan;
}

}  // namespace khtrace::query
