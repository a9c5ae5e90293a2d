// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "query/explain.h"
#include "query/profile.h"
#include "query/spansets.h"
#include "storage/trace_frame.h"
#include "traceql/ast.h"

// From plans to what `explain` tells of them.

namespace khtrace::query {

// The stages as the query has them.
std::vector<PlanNode> LogicalStages(const traceql::Pipeline& pipeline);

// `profile`: of a run, or nullptr.
class PlanPrinter {
 public:
  PlanPrinter(const ColumnSet& columns, const Profile* profile)
      : columns_(columns), profile_(profile) {}

  // What MayMatch asks of each unit; no children: nothing.
  PlanNode Pruning(const PipelinePlan& plan) const;
  std::vector<PlanNode> Stages(const PipelinePlan& plan) const;
  // Of an operator that is known by its plan's address.
  PlanNode Operator(std::string op, std::string text, const void* plan) const;
  // Every column that may be read.
  PlanNode Columns() const;

 private:
  PlanNode Spanset(const SpansetPlan& plan) const;
  PlanNode Stage(const StagePlan& stage) const;
  PlanNode Condition(const Expr& truth) const;
  void AddPruning(const SpansetPlan& plan, PlanNode* node) const;
  void AddPruning(const Expr& truth, PlanNode* node) const;
  template <typename Sides>
  void AddAny(const Sides& sides, PlanNode* node) const;

  const ColumnSet& columns_;
  const Profile* const profile_;
};

// Which units there are, and which are left out.
PlanNode ScanNode(const storage::ScanSummary& scan, size_t units,
                  size_t max_threads);

}  // namespace khtrace::query
