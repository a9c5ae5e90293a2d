// SPDX-License-Identifier: Apache-2.0
#include "query/explain_nodes.h"

#include <fmt/format.h>

#include <array>
#include <functional>
#include <utility>

#include "traceql/attribute.h"
#include "traceql/printer.h"

namespace khtrace::query {
namespace {

using storage::FrameField;
using traceql::SpansetOp;

// A condition as the query has it.
std::string TextOf(const Expr& expr) {
  if (expr.kind == Expr::Kind::kTruth) {
    return traceql::ToString(ToStatic(expr.literal));
  }
  if (expr.source == nullptr) return "";
  std::string text = traceql::Print(*expr.source);
  if (expr.predicate.kind == Predicate::Kind::kExists) text += " != nil";
  if (expr.predicate.kind == Predicate::Kind::kNotExists) text += " = nil";
  return text;
}

std::string_view MethodText(FilterMethod method) {
  switch (method) {
    case FilterMethod::kConstant:
      return "constant";
    case FilterMethod::kAll:
      return "each on the rows that are left, cheap ones first";
    case FilterMethod::kAny:
      return "each on the rows that none before took";
    case FilterMethod::kNot:
      return "the other rows";
    case FilterMethod::kColumn:
      return "by column";
    case FilterMethod::kColumns:
      return "by column: of span, resource and scope the first that has it";
    case FilterMethod::kTraceIds:
      return "by trace";
    case FilterMethod::kEvents:
      return "by column, for each event or link";
    case FilterMethod::kRows:
      break;
  }
  return "span by span";
}

std::string_view OpOf(FilterMethod method) {
  switch (method) {
    case FilterMethod::kAll:
      return "all";
    case FilterMethod::kAny:
      return "any";
    case FilterMethod::kNot:
      return "not";
    default:
      return "test";
  }
}

std::string NameOf(const storage::FrameKey& key) {
  switch (key.field) {
    case FrameField::kName:
      return "name";
    case FrameField::kStart:
      return "start";
    case FrameField::kDuration:
      return "duration";
    case FrameField::kKind:
      return "kind";
    case FrameField::kStatus:
      return "status";
    case FrameField::kStatusMessage:
      return "statusMessage";
    case FrameField::kSpanId:
      return "span:id";
    case FrameField::kParentId:
      return "span:parentID";
    case FrameField::kTraceState:
      return "trace state";
    case FrameField::kScopeName:
      return "instrumentation:name";
    case FrameField::kScopeVersion:
      return "instrumentation:version";
    case FrameField::kSpanAttribute:
      return "span." + key.key;
    case FrameField::kResourceAttribute:
      return "resource." + key.key;
    case FrameField::kScopeAttribute:
      return "instrumentation." + key.key;
    case FrameField::kEventName:
      return "event:name";
    case FrameField::kEventTime:
      return "event:timeSinceStart";
    case FrameField::kEventAttribute:
      return "event." + key.key;
    case FrameField::kLinkTraceId:
      return "link:traceID";
    case FrameField::kLinkSpanId:
      return "link:spanID";
    case FrameField::kLinkAttribute:
      break;
  }
  return "link." + key.key;
}

PlanNode LogicalStage(const traceql::Stage& stage) {
  if (const auto* spansets = std::get_if<traceql::SpansetExpr>(&stage)) {
    return {"keep", "spans of " + traceql::Print(*spansets)};
  }
  if (std::holds_alternative<traceql::Coalesce>(stage)) {
    return {"coalesce", "one spanset a trace again"};
  }
  traceql::Pipeline alone;
  alone.stages.push_back(stage);
  const std::string text = traceql::Print(alone);
  if (std::holds_alternative<traceql::GroupBy>(stage)) {
    return {"group", "a spanset for each value, " + text};
  }
  if (std::holds_alternative<traceql::Select>(stage)) {
    return {"show", text};
  }
  return {"keep", "spansets with " + text};
}

std::string TextOf(const ScalarPlan& plan) {
  return plan.source == nullptr ? "" : traceql::Print(*plan.source);
}

const PipelinePlan* InnerOf(const ScalarPlan& plan) {
  return plan.pipeline.get();
}

}  // namespace

std::vector<PlanNode> LogicalStages(const traceql::Pipeline& pipeline) {
  std::vector<PlanNode> nodes;
  for (const traceql::Stage& stage : pipeline.stages) {
    nodes.push_back(LogicalStage(stage));
  }
  return nodes;
}

PlanNode PlanPrinter::Operator(std::string op, std::string text,
                               const void* plan) const {
  PlanNode node{std::move(op), std::move(text)};
  if (profile_ != nullptr) node.counts = profile_->Find(plan);
  return node;
}

void PlanPrinter::AddPruning(const Expr& truth, PlanNode* node) const {
  switch (PruningOf(truth)) {
    case Pruning::kNone:
      break;
    case Pruning::kText:
    case Pruning::kShown:
      node->children.push_back(Operator(
          "unless", TextOf(truth) + ": by dictionary or filter", &truth));
      return;
    case Pruning::kZone:
      node->children.push_back(
          Operator("unless", TextOf(truth) + ": by zone map", &truth));
      return;
  }
  const FilterMethod method = MethodOf(truth);
  if (method == FilterMethod::kAll) {
    for (const Expr& child : truth.children) AddPruning(child, node);
  } else if (method == FilterMethod::kAny) {
    AddAny(truth.children, node);
  }
}

// Rules a unit out only if each of its sides can.
template <typename Sides>
void PlanPrinter::AddAny(const Sides& sides, PlanNode* node) const {
  PlanNode any{"any", "left out if none of these can hold"};
  for (const auto& side : sides) {
    PlanNode one{"all", ""};
    AddPruning(side, &one);
    if (one.children.empty()) return;
    const bool alone = one.children.size() == 1;
    any.children.push_back(alone ? std::move(one.children[0]) : std::move(one));
  }
  node->children.push_back(std::move(any));
}

void PlanPrinter::AddPruning(const SpansetPlan& plan, PlanNode* node) const {
  if (plan.filter) return AddPruning(*plan.filter, node);
  if (plan.pipeline) {
    const SpansetPlan* first = PruningStage(*plan.pipeline);
    if (first != nullptr) AddPruning(*first, node);
    return;
  }
  if (plan.op == SpansetOp::kOr) {
    const std::array<std::reference_wrapper<const SpansetPlan>, 2> sides = {
        *plan.left, *plan.right};
    return AddAny(sides, node);
  }
  if (NeedsLeft(plan.op)) AddPruning(*plan.left, node);
  AddPruning(*plan.right, node);
}

PlanNode PlanPrinter::Pruning(const PipelinePlan& plan) const {
  PlanNode node = Operator(
      "prune", "units that cannot match, before any column is read", &plan);
  const SpansetPlan* first = PruningStage(plan);
  if (first != nullptr) AddPruning(*first, &node);
  return node;
}

PlanNode PlanPrinter::Condition(const Expr& truth) const {
  const FilterMethod method = MethodOf(truth);
  std::string text = TextOf(truth);
  const bool leaf = OpOf(method) == "test";
  if (!leaf) text.clear();
  if (!text.empty()) text += ": ";
  text += MethodText(method);
  PlanNode node = Operator(std::string(OpOf(method)), std::move(text), &truth);
  if (method == FilterMethod::kAll) {
    for (const Expr* child : OrderOfConditions(truth)) {
      node.children.push_back(Condition(*child));
    }
    if (TogetherByRow(truth)) {
      node.children.push_back(
          {"test", TextOf(truth) + ": together, span by span"});
    }
    return node;
  }
  if (leaf) return node;
  for (const Expr& child : truth.children) {
    node.children.push_back(Condition(child));
  }
  return node;
}

PlanNode PlanPrinter::Spanset(const SpansetPlan& plan) const {
  if (plan.filter) return Condition(*plan.filter);
  if (plan.pipeline) {
    PlanNode node{"pipeline", "inside the spansets there are"};
    node.children = Stages(*plan.pipeline);
    return node;
  }
  const bool structure =
      plan.op != SpansetOp::kAnd && plan.op != SpansetOp::kOr;
  PlanNode node =
      Operator(structure ? "relate" : "combine",
               fmt::format("{}: {}", traceql::Symbol(plan.op),
                           structure ? "by parents, in one pass over the rows"
                                     : "by rows"),
               &plan);
  node.children.push_back(Spanset(*plan.left));
  node.children.push_back(Spanset(*plan.right));
  return node;
}

PlanNode PlanPrinter::Stage(const StagePlan& stage) const {
  if (const auto* spansets = std::get_if<SpansetPlan>(&stage)) {
    PlanNode node{"filter", "rows of the unit as one mask"};
    node.children.push_back(Spanset(*spansets));
    return node;
  }
  if (const auto* group = std::get_if<GroupPlan>(&stage)) {
    return Operator("group", group->text + ": a segment for each value",
                    &stage);
  }
  if (const auto* filter = std::get_if<ScalarFilterPlan>(&stage)) {
    PlanNode node = Operator(
        "having",
        fmt::format("{} {} {}", TextOf(filter->left),
                    traceql::Symbol(filter->op), TextOf(filter->right)),
        &stage);
    for (const ScalarPlan* side : {&filter->left, &filter->right}) {
      const PipelinePlan* inner = InnerOf(*side);
      if (inner == nullptr) continue;
      PlanNode below{"pipeline", "inside the spansets there are"};
      below.children = Stages(*inner);
      node.children.push_back(std::move(below));
    }
    return node;
  }
  return Operator("coalesce", "one segment a trace again", &stage);
}

std::vector<PlanNode> PlanPrinter::Stages(const PipelinePlan& plan) const {
  std::vector<PlanNode> nodes;
  for (const StagePlan& stage : plan.stages) nodes.push_back(Stage(stage));
  return nodes;
}

PlanNode PlanPrinter::Columns() const {
  PlanNode node{"columns", "decoded when the first operator needs them"};
  for (size_t i = 0; i < columns_.keys().size(); ++i) {
    PlanNode& column = node.children.emplace_back(
        PlanNode{"column", NameOf(columns_.keys()[i])});
    if (profile_ == nullptr) continue;
    const ColumnCounts counts = profile_->FindColumn(i);
    column.counts = OperatorCounts();
    column.counts->units = counts.units;
    column.counts->nanos = counts.nanos;
    column.bytes = counts.bytes;
  }
  return node;
}

PlanNode ScanNode(const storage::ScanSummary& scan, size_t units,
                  size_t max_threads) {
  PlanNode node{
      "scan", fmt::format("{} units, newest first, on up to {} threads", units,
                          max_threads)};
  const auto add = [&node](std::string_view op, std::string text) {
    node.children.push_back({std::string(op), std::move(text)});
  };
  if (scan.parts > 0) {
    add("parts",
        fmt::format("{}, and {} outside the time range",
                    scan.parts - scan.parts_skipped, scan.parts_skipped));
    add("groups", fmt::format("{} row groups, and {} outside the time range",
                              scan.group_units, scan.groups_skipped));
  }
  if (scan.head_units > 0) {
    add("heads", fmt::format("{} units of {} spans in no part yet",
                             scan.head_units, scan.head_spans));
  }
  if (scan.split_units > 0) {
    add("split", fmt::format("{} units of {} traces that lie in several places",
                             scan.split_units, scan.split_traces));
  }
  return node;
}

}  // namespace khtrace::query
