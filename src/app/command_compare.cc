// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "app/commands.h"
#include "app/flags.h"
#include "app/json_fields.h"
#include "app/terminal.h"
#include "app/tracing_client.h"
#include "base/percent.h"

namespace khtrace::app {
namespace {

// Nodes below this share of the slower side are left out.
constexpr double kWorthARow = 0.005;
constexpr size_t kFigureCells = 9;
constexpr size_t kCallCells = 13;

struct CompareFlags {
  std::string a;
  std::string b;
  std::string since = "1h";
  int limit = 200;
  bool all = false;
  bool json = false;
  ClientFlags client;
  std::string color = "auto";
};

struct NodeRow {
  std::string name;
  int64_t parent = -1;
  uint64_t depth = 0;
  double a_calls = 0;
  double b_calls = 0;
  double a_ms = 0;
  double b_ms = 0;
  double difference_ms = 0;
  bool shown = false;
};

struct ComparisonAnswer {
  std::string verdict;
  bool both = true;      // sides have traces
  double slower_ms = 0;  // of both sides
  std::vector<NodeRow> nodes;
};

NodeRow RowOf(const simdjson::dom::element& node) {
  NodeRow row;
  row.name =
      fmt::format("{} {}", TextOf(node, "service"), TextOf(node, "operation"));
  if (node["parent"].get(row.parent) != simdjson::SUCCESS) row.parent = -1;
  row.depth = NumberOf(node, "depth");
  row.difference_ms = FigureOf(node, "difference_ms");
  simdjson::dom::element side;
  if (node["a"].get(side) == simdjson::SUCCESS) {
    row.a_calls = FigureOf(side, "calls");
    row.a_ms = FigureOf(side, "path_ms");
  }
  if (node["b"].get(side) == simdjson::SUCCESS) {
    row.b_calls = FigureOf(side, "calls");
    row.b_ms = FigureOf(side, "path_ms");
  }
  return row;
}

Result<ComparisonAnswer> ParseComparison(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  simdjson::dom::array nodes;
  const simdjson::padded_string padded(json);
  if (parser.parse(padded).get(root) != simdjson::SUCCESS ||
      root["nodes"].get(nodes) != simdjson::SUCCESS) {
    return Error{Code::kDataLoss, "the answer is no comparison"};
  }
  ComparisonAnswer answer;
  answer.verdict = TextOf(root, "verdict");
  for (const char* key : {"a", "b"}) {
    simdjson::dom::element side;
    if (root[key].get(side) != simdjson::SUCCESS) continue;
    answer.both = answer.both && NumberOf(side, "traces") > 0;
    answer.slower_ms =
        std::max(answer.slower_ms, FigureOf(side, "duration_ms"));
  }
  for (const simdjson::dom::element node : nodes) {
    answer.nodes.push_back(RowOf(node));
  }
  return answer;
}

// What differs, and its callers.
void Choose(bool all, ComparisonAnswer* answer) {
  std::vector<NodeRow>& nodes = answer->nodes;
  for (size_t i = nodes.size(); i-- > 0;) {
    nodes[i].shown =
        nodes[i].shown || all ||
        std::fabs(nodes[i].difference_ms) >= kWorthARow * answer->slower_ms;
    const int64_t parent = nodes[i].parent;
    if (nodes[i].shown && parent >= 0 &&
        static_cast<size_t>(parent) < nodes.size()) {
      nodes[static_cast<size_t>(parent)].shown = true;
    }
  }
}

std::string Difference(const Terminal& terminal, const NodeRow& node,
                       double slower_ms) {
  if (std::fabs(node.difference_ms) < kWorthARow * slower_ms) {
    return FitRight(terminal, "", kFigureCells);
  }
  const bool more = node.difference_ms > 0;
  const char* sign = more ? "+" : terminal.utf8 ? "−" : "-";
  const std::string text =
      sign + MillisText(terminal, std::fabs(node.difference_ms));
  return Paint(terminal, more ? Style::kRed : Style::kGreen,
               FitRight(terminal, text, kFigureCells));
}

std::string Time(const Terminal& terminal, double ms) {
  const std::string none = terminal.utf8 ? "–" : "-";
  return FitRight(terminal, ms > 0 ? MillisText(terminal, ms) : none,
                  kFigureCells);
}

std::string CallsText(const NodeRow& node) {
  return fmt::format("{:.3g} / {:.3g}", node.a_calls, node.b_calls);
}

std::string Render(const Terminal& terminal, const ComparisonAnswer& answer) {
  std::string out = Wrapped(terminal, answer.verdict, 0);
  if (!answer.both) return out;
  out += '\n';
  const auto figure = [&](std::string_view text) {
    return FitRight(terminal, text, kFigureCells);
  };
  out += Paint(terminal, Style::kDim,
               fmt::format("{}  {}  {}  {}  waited for on the critical path",
                           figure("A"), figure("B"), figure("B - A"),
                           FitRight(terminal, "calls A / B", kCallCells))) +
         "\n";
  size_t hidden = 0;
  for (const NodeRow& node : answer.nodes) {
    if (!node.shown) {
      ++hidden;
      continue;
    }
    const size_t indent = 2 * std::min<uint64_t>(node.depth, 20);
    const size_t left =
        terminal.width -
        std::min(terminal.width, 3 * kFigureCells + kCallCells + 8 + indent);
    out += fmt::format("{}  {}  {}  {}  {}{}\n", Time(terminal, node.a_ms),
                       Time(terminal, node.b_ms),
                       Difference(terminal, node, answer.slower_ms),
                       FitRight(terminal, CallsText(node), kCallCells),
                       std::string(indent, ' '),
                       Truncate(terminal, Printable(terminal, node.name),
                                std::max<size_t>(left, 20)));
  }
  if (hidden > 0) {
    out += Paint(terminal, Style::kDim,
                 fmt::format("{} more that hardly differ: --all shows them",
                             hidden)) +
           "\n";
  }
  return out;
}

Status RunCompare(const CompareFlags& flags) {
  ASSIGN_OR_RETURN(const std::string range, RangeParams(flags.since));
  ASSIGN_OR_RETURN(
      const std::string body,
      AskTracing(flags.client,
                 fmt::format("/api/tracing/compare?a={}&b={}&max_traces={}{}",
                             PercentEncode(flags.a), PercentEncode(flags.b),
                             flags.limit, range)));
  if (flags.json) {
    fmt::print("{}\n", body);
    return {};
  }
  ASSIGN_OR_RETURN(ComparisonAnswer answer, ParseComparison(body));
  const Terminal terminal = DetectTerminal(*ParseColorMode(flags.color));
  Choose(flags.all, &answer);
  fmt::print("{}", Render(terminal, answer));
  return {};
}

}  // namespace

void AddCompareCommand(Command root) {
  auto flags = std::make_shared<CompareFlags>();
  Command command =
      root.Add("compare", "Why traces of B take longer than those of A");
  const std::string side =
      "trace ids with commas between them, or a TraceQL query";
  command.Text("a", &flags->a, "One side: " + side).Required();
  command.Text("b", &flags->b, "The other side, likewise").Required();
  AddSinceFlag(command, &flags->since);
  AddLimitFlag(command, &flags->limit, 2000, "Traces of a query, the newest");
  command.Switch("--all", &flags->all, "Also what hardly differs");
  AddJsonFlag(command, &flags->json);
  AddClientFlags(command, "Tracing API", kJaegerPort, &flags->client);
  AddColorFlag(command, &flags->color);
  command.Footer(
      "Both sides are one tree of operations; times are those on the\n"
      "critical path, so that they add up to the traces' durations.\n\n"
      "Examples:\n"
      "  khtrace compare 4bf92f3577b34da6 9c02aa1f0c3e88d1\n"
      "  khtrace compare '{ resource.service.version = \"3.1\" }' \\\n"
      "                  '{ resource.service.version = \"3.2\" }' --since 24h");
  command.OnRun([flags] { return ExitCodeOf("compare", RunCompare(*flags)); });
}

}  // namespace khtrace::app
