// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <iterator>
#include <string>

#include "base/text.h"
#include "query/explain.h"

namespace khtrace::query {
namespace {

std::string Milliseconds(uint64_t nanos) {
  return fmt::format("{:.3f} ms", static_cast<double>(nanos) / 1e6);
}

void AddCounts(const PlanNode& node, std::string* out) {
  if (!node.counts) return;
  const OperatorCounts& counts = *node.counts;
  const auto add = [out](const std::string& text) { *out += "  " + text; };
  if (node.op == "unless") return add(fmt::format("[{} units]", counts.pruned));
  if (node.op == "prune") {
    return add(fmt::format("[{} of {} units]", counts.pruned, counts.units));
  }
  if (counts.units == 0) return add("[never ran]");
  std::string text = fmt::format("{} units", counts.units);
  if (node.bytes) {
    text += ", " + FormatByteSize(*node.bytes);
  } else if (node.op == "hits") {
    text +=
        fmt::format(", {} rows, {} traces", counts.rows_in, counts.rows_out);
  } else if (node.op == "fold") {
    text += fmt::format(", {} rows", counts.rows_in);
  } else {
    text += fmt::format(", {} of {} rows", counts.rows_out, counts.rows_in);
  }
  add(fmt::format("[{}, {}]", text, Milliseconds(counts.nanos)));
}

void AddNode(const PlanNode& node, size_t depth, std::string* out) {
  out->append(depth * 2, ' ');
  *out += node.op;
  if (!node.text.empty()) *out += " " + node.text;
  AddCounts(node, out);
  *out += '\n';
  for (const PlanNode& child : node.children) AddNode(child, depth + 1, out);
}

void AddAnalysis(const Explanation::Analysis& analysis, std::string* out) {
  const QueryStats& stats = analysis.stats;
  fmt::format_to(std::back_inserter(*out),
                 "\nrun\n"
                 "  {} results in {} on {} threads\n"
                 "  units: {} considered, {} visited, {} from kept partials, "
                 "{} lost\n"
                 "  split traces: {}\n"
                 "  read: {} traces, {} spans, {}\n",
                 analysis.results, Milliseconds(analysis.nanos),
                 analysis.threads, stats.units, stats.units_done,
                 stats.units_cached, stats.units_lost,
                 analysis.scan.split_traces, stats.inspected_traces,
                 stats.inspected_spans, FormatByteSize(stats.inspected_bytes));
}

}  // namespace

std::string ToText(const Explanation& explanation) {
  std::string out = explanation.query + "\n\nwhat\n";
  AddNode(explanation.logical, 1, &out);
  out += "\nhow\n";
  AddNode(explanation.physical, 1, &out);
  if (explanation.analysis) AddAnalysis(*explanation.analysis, &out);
  return out;
}

}  // namespace khtrace::query
