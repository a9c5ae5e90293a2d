// SPDX-License-Identifier: Apache-2.0
#include "query/reference/pipeline.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "query/reference/aggregate.h"
#include "query/reference/structure.h"
#include "traceql/printer.h"

namespace khtrace::query::reference {
namespace {

using traceql::Box;
using traceql::Coalesce;
using traceql::Pipeline;
using traceql::ScalarExpr;
using traceql::SpansetBinary;
using traceql::SpansetExpr;
using traceql::SpansetFilter;
using traceql::SpansetOp;
using traceql::Stage;
using traceql::Static;

void SetValue(const NamedValue& value, std::vector<NamedValue>* values) {
  for (NamedValue& one : *values) {
    if (one.key != value.key) continue;
    one.value = value.value;
    return;
  }
  values->push_back(value);
}

Error ByZero(const ScalarExpr& expr) {
  return Error{Code::kInvalidArgument,
               "division by zero in " + traceql::Print(expr)};
}

}  // namespace

Result<std::vector<RowSet>> PipelineEvaluator::Run(const Trace& trace,
                                                   const Pipeline& pipeline) {
  std::vector<uint32_t> rows(trace.size());
  std::iota(rows.begin(), rows.end(), 0);
  return Run(trace, pipeline, std::move(rows));
}

Result<std::vector<RowSet>> PipelineEvaluator::Run(const Trace& trace,
                                                   const Pipeline& pipeline,
                                                   std::vector<uint32_t> rows) {
  trace_ = &trace;
  if (rows.empty()) return std::vector<RowSet>();
  RowSet input;
  input.rows = std::move(rows);
  ASSIGN_OR_RETURN(RowSets sets, RunOn(pipeline, std::move(input)));
  // by() makes them disjoint.
  std::sort(sets.begin(), sets.end(), [](const RowSet& a, const RowSet& b) {
    return a.rows.front() < b.rows.front();
  });
  return sets;
}

Result<std::vector<RowSet>> PipelineEvaluator::RunOn(const Pipeline& pipeline,
                                                     RowSet input) {
  RowSets sets = {std::move(input)};
  for (const Stage& stage : pipeline.stages) {
    if (std::holds_alternative<Coalesce>(stage)) {
      sets = Merge(sets);
      continue;
    }
    RowSets next;
    for (const RowSet& set : sets) {
      const auto apply = [&](const auto& s) -> Result<RowSets> {
        if constexpr (std::is_same_v<std::decay_t<decltype(s)>, Coalesce>) {
          return RowSets();
        } else {
          return Apply(s, set);
        }
      };
      ASSIGN_OR_RETURN(RowSets made, std::visit(apply, stage));
      std::move(made.begin(), made.end(), std::back_inserter(next));
    }
    std::erase_if(next, [](const RowSet& set) { return set.rows.empty(); });
    sets = std::move(next);
  }
  return sets;
}

std::vector<RowSet> PipelineEvaluator::Merge(const RowSets& input) {
  RowSet all;
  for (const RowSet& set : input) all.rows = Union(all.rows, set.rows);
  if (all.rows.empty()) return {};
  return {all};
}

// --- Filters and structure --------------------------------------------------

Result<std::vector<RowSet>> PipelineEvaluator::Apply(const SpansetExpr& expr,
                                                     const RowSet& input) {
  if (const auto* filter = std::get_if<SpansetFilter>(&expr.node)) {
    ASSIGN_OR_RETURN(Rows rows, Filter(filter->condition, input.rows));
    return RowSets{{std::move(rows), input.values}};
  }
  if (const auto* binary = std::get_if<SpansetBinary>(&expr.node)) {
    ASSIGN_OR_RETURN(Rows rows, Combine(*binary, input));
    return RowSets{{std::move(rows), input.values}};
  }
  return RunOn(*std::get<Box<Pipeline>>(expr.node), input);
}

Result<std::vector<uint32_t>> PipelineEvaluator::Filter(
    const traceql::FieldExpr& condition, const Rows& rows) {
  Rows out;
  for (const uint32_t row : rows) {
    ASSIGN_OR_RETURN(const bool holds, fields_.Holds(*trace_, row, condition));
    if (holds) out.push_back(row);
  }
  return out;
}

Result<std::vector<uint32_t>> PipelineEvaluator::Combine(
    const SpansetBinary& binary, const RowSet& input) {
  ASSIGN_OR_RETURN(const Rows left, Side(*binary.left, input, binary));
  ASSIGN_OR_RETURN(const Rows right, Side(*binary.right, input, binary));
  if (binary.op == SpansetOp::kOr) return Union(left, right);
  if (binary.op == SpansetOp::kAnd) {
    return left.empty() || right.empty() ? Rows() : Union(left, right);
  }
  return Related(*trace_, binary.op, left, right);
}

Result<std::vector<uint32_t>> PipelineEvaluator::Side(
    const SpansetExpr& expr, const RowSet& input, const SpansetBinary& binary) {
  ASSIGN_OR_RETURN(const RowSets sets, Apply(expr, input));
  if (sets.empty()) return Rows();
  if (sets.size() == 1) return sets.front().rows;
  return Error{Code::kInvalidArgument,
               "spanset operators are not supported for multiple spansets per "
               "trace. consider using coalesce(): " +
                   traceql::Print(SpansetExpr{binary, expr.position})};
}

// --- Groups -----------------------------------------------------------------

Result<std::vector<RowSet>> PipelineEvaluator::Apply(
    const traceql::GroupBy& stage, const RowSet& input) {
  const std::string key = "by(" + traceql::Print(stage.key) + ")";
  RowSets groups;
  std::vector<Static> group_values;
  for (const uint32_t row : input.rows) {
    ASSIGN_OR_RETURN(const Value value,
                     fields_.Evaluate(*trace_, row, stage.key));
    const Static shown = ToStatic(value);
    const auto same = std::find_if(
        group_values.begin(), group_values.end(),
        [&](const Static& other) { return Order(other, shown) == 0; });
    const auto index = static_cast<size_t>(same - group_values.begin());
    if (same == group_values.end()) {
      group_values.push_back(shown);
      groups.push_back({{}, input.values});
      SetValue({key, shown}, &groups.back().values);
    }
    groups[index].rows.push_back(row);
  }
  return groups;
}

Result<std::vector<RowSet>> PipelineEvaluator::Apply(const traceql::Select&,
                                                     const RowSet& input) {
  return RowSets{input};
}

// --- Scalar filters ---------------------------------------------------------

Result<std::vector<RowSet>> PipelineEvaluator::Apply(
    const traceql::ScalarFilter& filter, const RowSet& input) {
  ScalarOutput out;
  ASSIGN_OR_RETURN(const Value left, Evaluate(filter.left, input, &out));
  ASSIGN_OR_RETURN(const Value right, Evaluate(filter.right, input, &out));
  if (!Compare(filter.op, left, right)) return RowSets();
  RowSet kept = input;
  if (out.pipelines) kept.rows = out.rows;
  for (const NamedValue& value : out.values) SetValue(value, &kept.values);
  return RowSets{kept};
}

Result<Value> PipelineEvaluator::Evaluate(const ScalarExpr& expr,
                                          const RowSet& input,
                                          ScalarOutput* out) {
  if (const auto* literal = std::get_if<Static>(&expr.node)) {
    return FromStatic(*literal);
  }
  if (const auto* negate = std::get_if<traceql::ScalarNegate>(&expr.node)) {
    ASSIGN_OR_RETURN(const Value value, Evaluate(*negate->operand, input, out));
    return Negate(value);
  }
  if (const auto* binary = std::get_if<traceql::ScalarBinary>(&expr.node)) {
    return Evaluate(*binary, expr, input, out);
  }
  Value value;
  if (const auto* scalar = std::get_if<traceql::ScalarPipeline>(&expr.node)) {
    ASSIGN_OR_RETURN(value, Evaluate(*scalar, input, out));
  } else {
    ASSIGN_OR_RETURN(
        value, Evaluate(std::get<traceql::Aggregate>(expr.node), input.rows));
  }
  if (!value.nil())
    out->values.push_back({traceql::Print(expr), ToStatic(value)});
  return value;
}

Result<Value> PipelineEvaluator::Evaluate(const traceql::ScalarBinary& binary,
                                          const ScalarExpr& expr,
                                          const RowSet& input,
                                          ScalarOutput* out) {
  ASSIGN_OR_RETURN(const Value left, Evaluate(*binary.left, input, out));
  ASSIGN_OR_RETURN(const Value right, Evaluate(*binary.right, input, out));
  bool by_zero = false;
  const Value value = Calculate(binary.op, left, right, &by_zero);
  if (by_zero) return ByZero(expr);
  return value;
}

Result<Value> PipelineEvaluator::Evaluate(const traceql::ScalarPipeline& scalar,
                                          const RowSet& input,
                                          ScalarOutput* out) {
  ASSIGN_OR_RETURN(const RowSets sets, RunOn(*scalar.pipeline, input));
  if (sets.size() > 1) {
    return Error{Code::kInvalidArgument,
                 "spanset operators are not supported for multiple spansets "
                 "per trace. consider using coalesce(): " +
                     traceql::Print(*scalar.pipeline)};
  }
  const Rows rows = sets.empty() ? Rows() : sets.front().rows;
  out->pipelines = true;
  out->rows = Union(out->rows, rows);
  return Evaluate(scalar.aggregate, rows);
}

Result<Value> PipelineEvaluator::Evaluate(const traceql::Aggregate& aggregate,
                                          const Rows& rows) {
  if (aggregate.op == traceql::AggregateOp::kCount) {
    return Value::Int(static_cast<int64_t>(rows.size()));
  }
  std::vector<Value> values;
  for (const uint32_t row : rows) {
    ASSIGN_OR_RETURN(const Value value,
                     fields_.Evaluate(*trace_, row, *aggregate.operand));
    values.push_back(value);
  }
  return Aggregated(aggregate.op, values);
}

}  // namespace khtrace::query::reference
