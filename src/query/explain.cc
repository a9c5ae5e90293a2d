// SPDX-License-Identifier: Apache-2.0
#include "query/explain.h"

#include <fmt/format.h>

#include <memory>
#include <string_view>
#include <utility>

#include "query/explain_nodes.h"
#include "query/metrics_plan.h"
#include "query/scan_units.h"
#include "query/search_plan.h"
#include "traceql/printer.h"

namespace khtrace::query {
namespace {

using traceql::MetricsExpr;
using traceql::MetricsQuery;

void Append(std::vector<PlanNode> nodes, PlanNode* parent) {
  for (PlanNode& node : nodes) parent->children.push_back(std::move(node));
}

std::string SpansText(size_t spans_per_spanset) {
  return spans_per_spanset == 0 ? std::string("all spans")
                                : fmt::format("{} spans", spans_per_spanset);
}

// "the newest 20 traces behind the cursor"
std::string TracesText(const SearchRequest& request, const SearchPlan& plan) {
  const traceql::OrderBy& by = plan.order.by();
  std::string text = by == traceql::OrderBy()
                         ? fmt::format("the newest {} traces", request.limit)
                         : fmt::format("the first {} traces by {}",
                                       request.limit, traceql::ToString(by));
  if (plan.after) text += " behind the cursor";
  return text;
}

// How far it goes.
std::string_view ReachText(const SearchRequest& request,
                           const SearchPlan& plan) {
  if (request.totals) return "every unit, for the totals";
  return plan.order.by() == traceql::OrderBy()
             ? "unit by unit, until none can hold a newer trace"
             : "every unit, without traces that come too late";
}

PlanNode LogicalSearch(const SearchRequest& request, const SearchPlan& plan) {
  PlanNode root{"search",
                fmt::format("{}, {} of each spanset", TracesText(request, plan),
                            SpansText(request.spans_per_spanset))};
  root.children.push_back(
      {"source", "whole traces with any time in the range"});
  Append(LogicalStages(*plan.source), &root);
  return root;
}

PlanNode PhysicalSearch(const SearchRequest& request, const SearchPlan& plan,
                        PlanNode scan, const Profile* profile) {
  const PlanPrinter printer(plan.columns, profile);
  PlanNode root{"search", std::string(ReachText(request, plan))};
  root.children.push_back(std::move(scan));
  PlanNode pruning = printer.Pruning(plan.pipeline);
  if (!pruning.children.empty()) root.children.push_back(std::move(pruning));
  Append(printer.Stages(plan.pipeline), &root);
  root.children.push_back(printer.Operator(
      "hits",
      fmt::format("{} so far, {} of each spanset", TracesText(request, plan),
                  SpansText(request.spans_per_spanset)),
      &plan.hits));
  root.children.push_back(printer.Columns());
  return root;
}

// What stands for all, and for how much.
std::string SampleText(const Sampling& sampling) {
  std::string text = ToString(sampling);
  const double weight = 1 / (sampling.traces * sampling.spans);
  if (weight > 1) text += fmt::format("; each counts {:.6g} times", weight);
  return text;
}

PlanNode LogicalMetrics(const traceql::Query& whole, const MetricsExpr& expr) {
  PlanNode node;
  if (const auto* query = std::get_if<MetricsQuery>(&expr.node)) {
    node = {"series", traceql::Print(query->aggregate)};
    node.children.push_back(
        {"source", "whole traces; their spans that start in the range"});
    const Sampling sampling = SamplingOf(whole, query->pipeline);
    if (!sampling.everything()) {
      node.children.push_back({"sample", SampleText(sampling)});
    }
    Append(LogicalStages(query->pipeline), &node);
  } else if (const auto* binary =
                 std::get_if<traceql::MetricsBinary>(&expr.node)) {
    node = {"calculate", fmt::format("{}, series of equal labels",
                                     traceql::Symbol(binary->op))};
    node.children.push_back(LogicalMetrics(whole, *binary->left));
    node.children.push_back(LogicalMetrics(whole, *binary->right));
  } else {
    node = {"number", traceql::Print(std::get<traceql::ScalarExpr>(expr.node))};
  }
  if (!expr.stages.empty()) {
    PlanNode outer{
        "second stage",
        fmt::format("{} in the order they are written", expr.stages.size())};
    outer.children.push_back(std::move(node));
    return outer;
  }
  return node;
}

std::string FoldText(const FoldPlan& fold, const TimeAxis& axis) {
  return fmt::format("{}: {} intervals, of each thread, merged once",
                     traceql::Print(*fold.aggregate), axis.intervals);
}

PlanNode PhysicalMetrics(const MetricsPlan& plan, bool cached, PlanNode scan,
                         const Profile* profile) {
  const PlanPrinter printer(plan.columns, profile);
  PlanNode root{"metrics", "unit by unit"};
  root.children.push_back(std::move(scan));
  if (cached) {
    root.children.push_back(
        {"cache", "what a unit of a part gave is kept and not read again"});
  }
  for (const auto& function : plan.functions) {
    PlanNode node{"function", traceql::Print(*function->fold.aggregate)};
    const SampledPipeline& spans = function->spans;
    PlanNode pruning = printer.Pruning(spans.pipeline);
    if (!pruning.children.empty()) node.children.push_back(std::move(pruning));
    if (spans.cheap) {
      node.children.push_back(
          {"sample", "everything: to choose spans would cost as much"});
    } else if (!spans.sampling.everything()) {
      node.children.push_back(printer.Operator(
          "sample", SampleText(spans.sampling), &spans.sampling));
    }
    Append(printer.Stages(spans.pipeline), &node);
    node.children.push_back(printer.Operator(
        "fold", FoldText(function->fold, plan.axis), &function->fold));
    root.children.push_back(std::move(node));
  }
  root.children.push_back(printer.Columns());
  return root;
}

// The units that a query would go through.
Result<PlanNode> PlannedScan(storage::TraceReader& reader,
                             const RequestContext& context,
                             const storage::FrameRequest& request,
                             const Executor* helpers) {
  ASSIGN_OR_RETURN(const std::unique_ptr<storage::FrameScan> scan,
                   reader.Scan(context, request));
  return ScanNode(scan->summary(), scan->unit_count(),
                  MaxWorkers(*scan, helpers));
}

Explanation::Analysis AnalysisOf(const ExecutionProfile& profile,
                                 const QueryStats& stats, size_t results) {
  Explanation::Analysis analysis;
  analysis.stats = stats;
  analysis.scan = profile.scan;
  analysis.threads = profile.threads;
  analysis.nanos = profile.nanos;
  analysis.results = results;
  return analysis;
}

}  // namespace

Result<Explanation> ExplainSearch(storage::TraceReader& reader,
                                  const RequestContext& context,
                                  const SearchRequest& request, bool analyze) {
  Explanation out;
  out.query = traceql::Print(*request.query);
  ASSIGN_OR_RETURN(const SearchPlan plan,
                   MakeSearchPlan(reader, context, request));
  out.logical = LogicalSearch(request, plan);
  if (!analyze) {
    ASSIGN_OR_RETURN(
        PlanNode scan,
        PlannedScan(reader, context, ScanOf(request, plan), request.helpers));
    out.physical = PhysicalSearch(request, plan, std::move(scan), nullptr);
    return out;
  }
  ExecutionProfile profile;
  ASSIGN_OR_RETURN(const SearchResult result,
                   RunSearch(reader, context, request, plan, &profile));
  out.analysis = AnalysisOf(profile, result.stats, result.traces.size());
  out.physical = PhysicalSearch(
      request, plan,
      ScanNode(profile.scan, result.stats.units, profile.threads),
      &profile.operators);
  return out;
}

Result<Explanation> ExplainMetrics(storage::TraceReader& reader,
                                   const RequestContext& context,
                                   const MetricsRequest& request,
                                   bool analyze) {
  Explanation out;
  out.query = traceql::Print(*request.query);
  ASSIGN_OR_RETURN(const MetricsPlan plan,
                   MakeMetricsPlan(reader, context, request));
  out.logical = LogicalMetrics(*request.query,
                               std::get<MetricsExpr>(request.query->root));
  const bool cached = request.cache != nullptr && plan.cacheable();
  if (!analyze) {
    ASSIGN_OR_RETURN(PlanNode scan, PlannedScan(reader, context, ScanOf(plan),
                                                request.helpers));
    out.physical = PhysicalMetrics(plan, cached, std::move(scan), nullptr);
    return out;
  }
  ExecutionProfile profile;
  ASSIGN_OR_RETURN(const MetricsResult result,
                   RunMetrics(reader, context, request, plan, &profile));
  out.analysis = AnalysisOf(profile, result.stats, result.series.size());
  out.physical = PhysicalMetrics(
      plan, cached, ScanNode(profile.scan, result.stats.units, profile.threads),
      &profile.operators);
  return out;
}

}  // namespace khtrace::query
