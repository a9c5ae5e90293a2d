// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "query/reference/field.h"
#include "query/reference/trace.h"
#include "query/search.h"
#include "query/value.h"
#include "traceql/ast.h"

namespace khtrace::query::reference {

// Spans of the trace under evaluation, with what by() and aggregates said.
struct RowSet {
  std::vector<uint32_t> rows;      // ascending, at least one
  std::vector<NamedValue> values;  // one a key: a later one replaces it
};

// Runs the stages of a pipeline on one trace after the other. Confined to one
// thread; borrows the queries that it is given.
class PipelineEvaluator {
 public:
  // Spansets in order of their first spans. Errors: FieldEvaluator's;
  // kInvalidArgument where an operator between spansets finds several of them
  // on one side.
  Result<std::vector<RowSet>> Run(const Trace& trace,
                                  const traceql::Pipeline& pipeline);
  // Of some of the trace's spans, ascending.
  Result<std::vector<RowSet>> Run(const Trace& trace,
                                  const traceql::Pipeline& pipeline,
                                  std::vector<uint32_t> rows);

  FieldEvaluator& fields() { return fields_; }

 private:
  using RowSets = std::vector<RowSet>;
  using Rows = std::vector<uint32_t>;

  Result<RowSets> RunOn(const traceql::Pipeline& pipeline, RowSet input);
  // Each stage is applied to each spanset by itself, but for coalesce().
  Result<RowSets> Apply(const traceql::SpansetExpr& expr, const RowSet& input);
  Result<RowSets> Apply(const traceql::ScalarFilter& filter,
                        const RowSet& input);
  Result<RowSets> Apply(const traceql::GroupBy& stage, const RowSet& input);
  Result<RowSets> Apply(const traceql::Select& stage, const RowSet& input);
  static RowSets Merge(const RowSets& input);

  Result<Rows> Filter(const traceql::FieldExpr& condition, const Rows& rows);
  Result<Rows> Combine(const traceql::SpansetBinary& binary,
                       const RowSet& input);
  // The spans of one side of an operator; none if its list is empty.
  Result<Rows> Side(const traceql::SpansetExpr& expr, const RowSet& input,
                    const traceql::SpansetBinary& binary);

  // Adds the aggregates' values to `values`, and the spans of pipelines within
  // the expression to `rows`.
  struct ScalarOutput {
    std::vector<NamedValue> values;
    Rows rows;
    bool pipelines = false;
  };
  Result<Value> Evaluate(const traceql::ScalarExpr& expr, const RowSet& input,
                         ScalarOutput* out);
  Result<Value> Evaluate(const traceql::ScalarPipeline& scalar,
                         const RowSet& input, ScalarOutput* out);
  Result<Value> Evaluate(const traceql::ScalarBinary& binary,
                         const traceql::ScalarExpr& expr, const RowSet& input,
                         ScalarOutput* out);
  Result<Value> Evaluate(const traceql::Aggregate& aggregate, const Rows& rows);

  const Trace* trace_ = nullptr;
  FieldEvaluator fields_;
};

}  // namespace khtrace::query::reference
