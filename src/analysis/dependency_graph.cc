// SPDX-License-Identifier: Apache-2.0
#include "analysis/dependency_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace khtrace::analysis {
namespace {

using aggregate::EdgeCell;
using aggregate::LatencyHistogram;
using aggregate::Partial;
using aggregate::RetryCell;
using aggregate::Target;
using aggregate::TargetType;

// Back-off below this is none: the next attempt follows at once.
constexpr double kNoBackOffNanos = 1e6;
// Waits whose 95th percentile is within so much of the median are fixed.
constexpr double kFixedSpread = 1.25;

std::string_view TypeName(TargetType type) {
  switch (type) {
    case TargetType::kService:
      return "service";
    case TargetType::kDatabase:
      return "database";
    case TargetType::kQueue:
      return "queue";
    case TargetType::kExternal:
      break;
  }
  return "external";
}

// A node's place in the graph that is being built.
class Nodes {
 public:
  explicit Nodes(std::map<std::string, DependencyNode>* nodes)
      : nodes_(*nodes) {}

  std::string Service(std::string_view name) {
    return Add("service", name, "");
  }
  std::string Of(const Partial& partial, const Target& target) {
    std::string_view name = partial.Text(target.name);
    if (name.empty()) name = "unknown";
    return Add(TypeName(target.type), name, partial.Text(target.address));
  }

 private:
  std::string Add(std::string_view type, std::string_view name,
                  std::string_view address) {
    std::string id = fmt::format("{}:{}", type, name);
    if (!address.empty()) id += fmt::format("@{}", address);
    const auto [node, added] = nodes_.try_emplace(id);
    if (added) {
      node->second.id = id;
      node->second.name = name;
      node->second.type = type;
      node->second.address = address;
    }
    return id;
  }
  std::map<std::string, DependencyNode>& nodes_;
};

std::string_view EdgeType(TargetType type, bool async) {
  if (type == TargetType::kDatabase) return "database";
  if (type == TargetType::kQueue) return "messaging";
  return async ? "async" : "sync";
}

void SetLatencies(const EdgeCell& cell, DependencyEdge* edge) {
  edge->caller_p50 = cell.caller.Quantile(0.5);
  edge->caller_p95 = cell.caller.Quantile(0.95);
  edge->caller_p99 = cell.caller.Quantile(0.99);
  edge->callee_p50 = cell.callee.Quantile(0.5);
  edge->callee_p95 = cell.callee.Quantile(0.95);
  edge->callee_p99 = cell.callee.Quantile(0.99);
  if (!cell.caller.empty() && !cell.callee.empty()) {
    edge->network_p50 = std::max(0.0, edge->caller_p50 - edge->callee_p50);
  }
}

// Growing waits double and more from the first to the last; with jitter they
// are spread without a pattern. Of the waits' distribution alone both look
// alike, so the attempts decide: waits that grow need several of them.
BackOff ShapeOf(const RetryCell& cell) {
  if (cell.retries == 0) return BackOff::kUnknown;
  const double p50 = cell.back_off.Quantile(0.5);
  const double p95 = cell.back_off.Quantile(0.95);
  if (p95 < kNoBackOffNanos) return BackOff::kNone;
  if (cell.retries < 5) return BackOff::kUnknown;
  const double p5 = std::max(1.0, cell.back_off.Quantile(0.05));
  if (p95 <= kFixedSpread * p5) return BackOff::kFixed;
  const bool several = cell.attempts.Quantile(0.5) >= 3;
  return several && p95 >= 1.8 * p50 ? BackOff::kGrowing : BackOff::kJittered;
}

RetryPattern PatternOf(std::string_view operation, const RetryCell& cell) {
  RetryPattern pattern;
  pattern.operation = operation;
  pattern.calls = cell.calls;
  pattern.retries = cell.retries;
  pattern.hedges = cell.hedges;
  pattern.recovered = cell.recovered;
  pattern.exhausted = cell.calls - cell.recovered;
  for (const LatencyHistogram::Bin& bin : cell.attempts.bins()) {
    // Bins of numbers below 35 hold one number each.
    pattern.attempts.push_back(
        {static_cast<uint32_t>(LatencyHistogram::LeastOf(bin.index)),
         bin.count});
  }
  pattern.back_off_p50 = cell.back_off.Quantile(0.5);
  pattern.back_off_p95 = cell.back_off.Quantile(0.95);
  pattern.shape = ShapeOf(cell);
  return pattern;
}

void SetRates(Window window, DependencyEdge* edge) {
  const auto calls = static_cast<double>(edge->calls);
  if (window.Minutes() > 0) edge->calls_per_min = calls / window.Minutes();
  const uint64_t errors =
      edge->caller_p50 > 0 ? edge->caller_errors : edge->callee_errors;
  if (edge->calls > 0) edge->error_rate = static_cast<double>(errors) / calls;
  uint64_t again = 0;
  for (const RetryPattern& pattern : edge->retries) {
    again += pattern.retries + pattern.hedges;
  }
  if (edge->calls == 0 || again == 0) return;
  again = std::min(again, edge->calls - 1);
  edge->retry_rate = static_cast<double>(again) / calls;
  edge->amplification = calls / static_cast<double>(edge->calls - again);
}

void SumUpNodes(const std::vector<DependencyEdge>& edges, Window window,
                std::map<std::string, DependencyNode>* nodes) {
  std::map<std::string_view, double> errors;
  for (const DependencyEdge& edge : edges) {
    (*nodes)[edge.to].calls += edge.calls;
    errors[edge.to] += edge.error_rate * static_cast<double>(edge.calls);
  }
  for (auto& [id, node] : *nodes) {
    if (node.calls == 0) continue;
    const auto calls = static_cast<double>(node.calls);
    if (window.Minutes() > 0) node.calls_per_min = calls / window.Minutes();
    node.error_rate = errors[id] / calls;
  }
}

std::string Quoted(std::string_view text, std::string_view special) {
  std::string quoted;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      quoted += ' ';
    } else if (special.find(c) != std::string_view::npos) {
      quoted += special[0] == '\\' ? fmt::format("\\{}", c)
                                   : fmt::format("#{};", int{c});
    } else {
      quoted += c;
    }
  }
  return quoted;
}

std::string EdgeLabel(const DependencyEdge& edge) {
  std::string label = fmt::format("{:.3g}/min", edge.calls_per_min);
  if (edge.error_rate > 0) {
    label += fmt::format(", {:.2g} % errors", edge.error_rate * 100);
  }
  if (edge.retry_rate > 0) {
    label += fmt::format(", retries {:.2g}x", edge.amplification);
  }
  return label;
}

}  // namespace

std::string_view BackOffName(BackOff shape) {
  constexpr std::string_view kNames[] = {"unknown", "none", "fixed", "growing",
                                         "jittered"};
  return kNames[static_cast<size_t>(shape)];
}

DependencyGraph BuildDependencies(const Partial& partial, Window window,
                                  const std::vector<ServiceReport>& services) {
  std::map<std::string, DependencyNode> nodes;
  Nodes names(&nodes);
  for (const ServiceReport& service : services) {
    nodes[names.Service(service.service)].grade = service.grade;
  }
  // By caller, target and type: buckets of time come together.
  using Key = std::tuple<std::string, std::string, std::string_view>;
  std::map<Key, EdgeCell> cells;
  for (const auto& [key, cell] : partial.edges) {
    const std::string from = names.Service(partial.Text(key.caller));
    const std::string to = names.Of(partial, key.target);
    const std::string_view type = EdgeType(key.target.type, key.async);
    EdgeCell& sum = cells[{from, to, type}];
    sum.calls += cell.calls;
    sum.caller_errors += cell.caller_errors;
    sum.callee_errors += cell.callee_errors;
    sum.caller.Merge(cell.caller);
    sum.callee.Merge(cell.callee);
  }
  std::map<std::pair<std::string, std::string>,
           std::map<std::string_view, RetryCell>>
      retries;
  for (const auto& [key, cell] : partial.retries) {
    RetryCell& sum =
        retries[{names.Service(partial.Text(key.service)),
                 names.Of(partial, key.target)}][partial.Text(key.operation)];
    sum.calls += cell.calls;
    sum.retries += cell.retries;
    sum.hedges += cell.hedges;
    sum.recovered += cell.recovered;
    sum.attempts.Merge(cell.attempts);
    sum.back_off.Merge(cell.back_off);
  }
  DependencyGraph graph;
  for (const auto& [key, cell] : cells) {
    DependencyEdge edge;
    edge.from = std::get<0>(key);
    edge.to = std::get<1>(key);
    edge.type = std::get<2>(key);
    edge.calls = cell.calls;
    edge.caller_errors = cell.caller_errors;
    edge.callee_errors = cell.callee_errors;
    SetLatencies(cell, &edge);
    // An edge of each type has them once: the first one that is there.
    const auto again = retries.find({edge.from, edge.to});
    if (again != retries.end()) {
      for (const auto& [operation, sum] : again->second) {
        edge.retries.push_back(PatternOf(operation, sum));
      }
      retries.erase(again);
      std::stable_sort(edge.retries.begin(), edge.retries.end(),
                       [](const RetryPattern& a, const RetryPattern& b) {
                         return a.retries + a.hedges > b.retries + b.hedges;
                       });
    }
    SetRates(window, &edge);
    graph.edges.push_back(std::move(edge));
  }
  SumUpNodes(graph.edges, window, &nodes);
  std::stable_sort(graph.edges.begin(), graph.edges.end(),
                   [](const DependencyEdge& a, const DependencyEdge& b) {
                     return a.calls > b.calls;
                   });
  for (auto& [id, node] : nodes) graph.nodes.push_back(std::move(node));
  return graph;
}

DependencyGraph Neighbourhood(const DependencyGraph& graph,
                              std::string_view focus, uint32_t hops) {
  std::set<std::string_view> near;
  for (const DependencyNode& node : graph.nodes) {
    if (node.id == focus || node.name == focus) near.insert(node.id);
  }
  for (uint32_t hop = 0; hop < hops; ++hop) {
    std::set<std::string_view> next = near;
    for (const DependencyEdge& edge : graph.edges) {
      if (near.count(edge.from) > 0) next.insert(edge.to);
      if (near.count(edge.to) > 0) next.insert(edge.from);
    }
    if (next.size() == near.size()) break;
    near = std::move(next);
  }
  DependencyGraph part;
  for (const DependencyNode& node : graph.nodes) {
    if (near.count(node.id) > 0) part.nodes.push_back(node);
  }
  for (const DependencyEdge& edge : graph.edges) {
    if (near.count(edge.from) > 0 && near.count(edge.to) > 0) {
      part.edges.push_back(edge);
    }
  }
  return part;
}

std::string ToDot(const DependencyGraph& graph) {
  constexpr std::string_view kSpecial = "\\\"";
  std::string dot = "digraph services {\n  rankdir=LR;\n";
  for (const DependencyNode& node : graph.nodes) {
    const std::string_view shape = node.type == "database"  ? "cylinder"
                                   : node.type == "queue"   ? "cds"
                                   : node.type == "service" ? "box"
                                                            : "ellipse";
    std::string label = node.name;
    if (!node.address.empty()) label += " " + node.address;
    if (node.grade) label += fmt::format(" [{}]", GradeName(*node.grade));
    dot +=
        fmt::format("  \"{}\" [shape={}, label=\"{}\"];\n",
                    Quoted(node.id, kSpecial), shape, Quoted(label, kSpecial));
  }
  for (const DependencyEdge& edge : graph.edges) {
    dot += fmt::format(
        "  \"{}\" -> \"{}\" [label=\"{}\"{}];\n", Quoted(edge.from, kSpecial),
        Quoted(edge.to, kSpecial), Quoted(EdgeLabel(edge), kSpecial),
        edge.type == "async" || edge.type == "messaging" ? ", style=dashed"
                                                         : "");
  }
  return dot + "}\n";
}

std::string ToMermaid(const DependencyGraph& graph) {
  constexpr std::string_view kSpecial = "#\"<>&;|";
  std::map<std::string_view, size_t> numbers;
  std::string text = "flowchart LR\n";
  for (const DependencyNode& node : graph.nodes) {
    const size_t number = numbers.size();
    numbers[node.id] = number;
    std::string label = node.name;
    if (!node.address.empty()) label += " " + node.address;
    if (node.grade) label += fmt::format(" ({})", GradeName(*node.grade));
    const bool store = node.type == "database" || node.type == "queue";
    text += fmt::format("  n{}{}\"{}\"{}\n", number, store ? "[(" : "[",
                        Quoted(label, kSpecial), store ? ")]" : "]");
  }
  for (const DependencyEdge& edge : graph.edges) {
    const bool dashed = edge.type == "async" || edge.type == "messaging";
    text += fmt::format("  n{} {}|\"{}\"| n{}\n", numbers[edge.from],
                        dashed ? "-.->" : "-->",
                        Quoted(EdgeLabel(edge), kSpecial), numbers[edge.to]);
  }
  return text;
}

}  // namespace khtrace::analysis
