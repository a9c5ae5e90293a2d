// SPDX-License-Identifier: Apache-2.0
#include "analysis/trace_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include "aggregate/span_tree.h"
#include "analysis/linked_trace.h"
#include "analysis/retiming.h"
#include "analysis/two_samples.h"
#include "base/text.h"

namespace khtrace::analysis {
namespace {

// Differences that the verdict names.
constexpr size_t kInWords = 3;
// Of the slower side's duration: less is no difference worth words.
constexpr double kNegligible = 0.001;

// What is known of a node while traces are added.
struct Sums {
  uint64_t traces = 0;
  uint64_t calls = 0;
  double span_nanos = 0;
  double path_nanos = 0;
  std::vector<double> paths;  // of each trace that has the node
  uint32_t last_trace = UINT32_MAX;
};

struct Node {
  uint32_t parent = ComparedNode::kNoParent;
  uint32_t depth = 0;
  uint32_t operation = 0;
  Sums sides[2];
  double offsets = 0;  // of its spans' starts, from their trace's first
};

class Comparer {
 public:
  explicit Comparer(const ComparisonOptions& options) : options_(options) {}

  void Add(const TraceSample& sample, size_t side);
  TraceComparison Finish();

 private:
  using Names = std::pair<std::string, std::string>;

  void AddTrace(std::span<const TraceSample::Span> spans, uint32_t root,
                const std::vector<uint32_t>& operations, size_t side);
  uint32_t NodeOf(uint32_t parent, uint32_t operation, bool is_root);
  void Count(uint32_t node, bool folded, const TraceSample::Span& span,
             uint64_t path, size_t side);
  std::vector<uint32_t> Order() const;
  ComparedNode Describe(const Node& node) const;
  ComparedSide Mean(const Sums& sums, size_t side) const;
  double PValue(const Node& node) const;

  const ComparisonOptions options_;
  std::map<Names, uint32_t> operations_;
  std::vector<const Names*> names_;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> by_call_;
  std::vector<Node> nodes_;
  uint64_t traces_[2] = {0, 0};
  double durations_[2] = {0, 0};
  uint32_t trace_ = 0;  // the number of the one that is added
  uint64_t trace_start_ = 0;
  bool truncated_ = false;
  Retiming retiming_;
  aggregate::SpanTree tree_;
};

void Comparer::Add(const TraceSample& sample, size_t side) {
  std::vector<uint32_t> operations;
  for (const TraceSample::Operation& operation : sample.operations) {
    const auto [known, added] =
        operations_.try_emplace({operation.service, operation.name},
                                static_cast<uint32_t>(operations_.size()));
    if (added) names_.push_back(&known->first);
    operations.push_back(known->second);
  }
  for (const TraceSample::Trace& trace : sample.traces) {
    const auto spans = sample.SpansOf(trace);
    if (!spans.empty()) AddTrace(spans, trace.root, operations, side);
  }
}

void Comparer::AddTrace(std::span<const TraceSample::Span> spans, uint32_t root,
                        const std::vector<uint32_t>& operations, size_t side) {
  retiming_.Set(spans, root);
  std::vector<uint32_t> parents;
  for (const TraceSample::Span& span : spans) parents.push_back(span.parent);
  tree_.SetParents(parents);
  trace_start_ = spans.front().start;
  ++traces_[side];
  durations_[side] += static_cast<double>(retiming_.duration());
  // Callers first, whatever their clocks say.
  std::vector<std::pair<uint32_t, uint32_t>> left;  // row, node of its caller
  for (auto row = static_cast<uint32_t>(spans.size()); row-- > 0;) {
    if (tree_.parents()[row] != aggregate::kNoRow) continue;
    left.emplace_back(row, ComparedNode::kNoParent);
  }
  if (root == aggregate::kNoRow) root = left.back().first;
  while (!left.empty()) {
    const auto [row, caller] = left.back();
    left.pop_back();
    const uint32_t node =
        NodeOf(caller, operations[spans[row].operation], row == root);
    const bool folded = node == ComparedNode::kNoParent;
    const uint32_t counted = folded ? caller : node;
    if (counted != ComparedNode::kNoParent) {
      Count(counted, folded, spans[row], retiming_.critical()[row], side);
    }
    for (const uint32_t child : tree_.children(row)) {
      left.emplace_back(child, counted);
    }
  }
  ++trace_;
}

// kNoParent: it is over the limits, which those of roots never are: all time
// of a path has a place.
uint32_t Comparer::NodeOf(uint32_t parent, uint32_t operation, bool is_root) {
  const auto known = by_call_.find({parent, operation});
  if (known != by_call_.end()) return known->second;
  const uint32_t depth =
      parent == ComparedNode::kNoParent ? 0 : nodes_[parent].depth + 1;
  if (!is_root &&
      (nodes_.size() >= options_.max_nodes || depth >= options_.max_depth)) {
    truncated_ = true;
    return ComparedNode::kNoParent;
  }
  const auto place = static_cast<uint32_t>(nodes_.size());
  Node& node = nodes_.emplace_back();
  node.parent = parent;
  node.depth = depth;
  node.operation = operation;
  by_call_.emplace(std::pair(parent, operation), place);
  return place;
}

void Comparer::Count(uint32_t place, bool folded, const TraceSample::Span& span,
                     uint64_t path, size_t side) {
  Node& node = nodes_[place];
  Sums& sums = node.sides[side];
  if (sums.last_trace != trace_) {
    sums.last_trace = trace_;
    ++sums.traces;
    sums.paths.push_back(0);
  }
  sums.paths.back() += static_cast<double>(path);
  sums.path_nanos += static_cast<double>(path);
  if (folded) return;
  ++sums.calls;
  sums.span_nanos += static_cast<double>(span.end - span.start);
  node.offsets +=
      static_cast<double>(span.start) - static_cast<double>(trace_start_);
}

ComparedSide Comparer::Mean(const Sums& sums, size_t side) const {
  ComparedSide mean;
  mean.traces = sums.traces;
  if (traces_[side] == 0) return mean;
  const auto all = static_cast<double>(traces_[side]);
  mean.calls = static_cast<double>(sums.calls) / all;
  mean.span_nanos = sums.span_nanos / all;
  mean.path_nanos = sums.path_nanos / all;
  return mean;
}

double Comparer::PValue(const Node& node) const {
  std::vector<double> values[2];
  for (size_t side = 0; side < 2; ++side) {
    if (traces_[side] < TraceComparison::kTracesForTest) return 1;
    values[side] = node.sides[side].paths;
    values[side].resize(traces_[side]);  // others wait for it no time at all
  }
  return RankTest(values[0], values[1]).p_value;
}

ComparedNode Comparer::Describe(const Node& node) const {
  ComparedNode out;
  out.service = names_[node.operation]->first;
  out.operation = names_[node.operation]->second;
  out.depth = node.depth;
  out.a = Mean(node.sides[0], 0);
  out.b = Mean(node.sides[1], 1);
  out.difference = out.b.path_nanos - out.a.path_nanos;
  return out;
}

// Places in nodes_: callers first, each followed by what it calls.
std::vector<uint32_t> Comparer::Order() const {
  std::vector<std::vector<uint32_t>> called(nodes_.size() + 1);
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    const uint32_t parent = nodes_[i].parent;
    called[parent == ComparedNode::kNoParent ? nodes_.size() : parent]
        .push_back(i);
  }
  const auto start = [this](uint32_t i) {
    const uint64_t calls = nodes_[i].sides[0].calls + nodes_[i].sides[1].calls;
    return nodes_[i].offsets /
           static_cast<double>(std::max<uint64_t>(calls, 1));
  };
  for (std::vector<uint32_t>& siblings : called) {
    std::stable_sort(
        siblings.begin(), siblings.end(),
        [&](uint32_t a, uint32_t b) { return start(a) > start(b); });
  }
  std::vector<uint32_t> order;
  std::vector<uint32_t> left = called.back();
  while (!left.empty()) {
    const uint32_t node = left.back();
    left.pop_back();
    order.push_back(node);
    left.insert(left.end(), called[node].begin(), called[node].end());
  }
  return order;
}

std::string Signed(double nanos) {
  return (nanos < 0 ? "−" : "+") + FormatDurationShort(std::chrono::nanoseconds(
                                       std::llround(std::fabs(nanos))));
}

std::string Unsigned(double nanos) {
  return Signed(std::fabs(nanos)).substr(1);
}

// " (24 calls instead of 1)", where that is what changed.
std::string CallsInWords(const ComparedNode& node) {
  const double a = node.a.calls;
  const double b = node.b.calls;
  if (std::max(a, b) < 2 || std::max(a, b) < 1.5 * std::min(a, b)) return "";
  return fmt::format(", {:.3g} calls instead of {:.3g}", b, a);
}

// What explains the difference most, and the rest of it.
std::string PartsInWords(const TraceComparison& diff, double difference) {
  std::vector<const ComparedNode*> parts;
  for (const ComparedNode& node : diff.nodes) {
    if (node.difference * difference > 0) parts.push_back(&node);
  }
  std::stable_sort(parts.begin(), parts.end(), [](auto* a, auto* b) {
    return std::fabs(a->difference) > std::fabs(b->difference);
  });
  if (parts.size() > kInWords) parts.resize(kInWords);
  std::string words;
  double rest = difference;
  for (const ComparedNode* node : parts) {
    rest -= node->difference;
    fmt::format_to(std::back_inserter(words), "{}{} {} {} ({:.0f} %{})",
                   words.empty() ? ": " : ", ", node->service, node->operation,
                   Signed(node->difference),
                   100 * node->difference / difference, CallsInWords(*node));
  }
  if (diff.nodes.size() > parts.size()) {
    fmt::format_to(std::back_inserter(words), ", the rest {}", Signed(rest));
  }
  return words;
}

std::string InWords(const TraceComparison& diff) {
  if (diff.a_traces == 0 || diff.b_traces == 0) {
    return fmt::format("There is no trace of {} to compare.",
                       diff.a_traces == 0 ? "A" : "B");
  }
  const double difference = diff.b_nanos - diff.a_nanos;
  const std::string both = fmt::format(
      "{} instead of {}", Unsigned(diff.b_nanos), Unsigned(diff.a_nanos));
  std::string words;
  if (std::fabs(difference) <=
      kNegligible * std::max(diff.a_nanos, diff.b_nanos)) {
    words = fmt::format("B takes as long as A ({})", both);
  } else {
    words = fmt::format("B is {} {} ({})", Unsigned(difference),
                        difference > 0 ? "slower" : "faster", both) +
            PartsInWords(diff, difference);
  }
  words += ".";
  const auto only = [&words](const char* side, uint32_t nodes) {
    if (nodes == 0) return;
    fmt::format_to(std::back_inserter(words), " Only in {}: {} operation{}.",
                   side, nodes, nodes == 1 ? "" : "s");
  };
  only("A", diff.only_a);
  only("B", diff.only_b);
  if (std::min(diff.a_traces, diff.b_traces) <
          TraceComparison::kTracesForTest &&
      std::max(diff.a_traces, diff.b_traces) > 1) {
    words += " Too few traces to tell it from chance.";
  }
  return words;
}

TraceComparison Comparer::Finish() {
  TraceComparison diff;
  diff.a_traces = traces_[0];
  diff.b_traces = traces_[1];
  if (traces_[0] > 0) {
    diff.a_nanos = durations_[0] / static_cast<double>(traces_[0]);
  }
  if (traces_[1] > 0) {
    diff.b_nanos = durations_[1] / static_cast<double>(traces_[1]);
  }
  diff.truncated = truncated_;
  std::vector<uint32_t> places(nodes_.size());
  std::vector<double> p_values;
  for (const uint32_t i : Order()) {
    places[i] = static_cast<uint32_t>(diff.nodes.size());
    ComparedNode node = Describe(nodes_[i]);
    if (nodes_[i].parent != ComparedNode::kNoParent) {
      node.parent = places[nodes_[i].parent];
    }
    diff.only_a += node.b.traces == 0;
    diff.only_b += node.a.traces == 0;
    p_values.push_back(PValue(nodes_[i]));
    diff.nodes.push_back(std::move(node));
  }
  const std::vector<double> q_values = CorrectForManyTests(p_values);
  for (size_t i = 0; i < diff.nodes.size(); ++i) {
    diff.nodes[i].q_value = q_values[i];
  }
  diff.verdict = InWords(diff);
  return diff;
}

}  // namespace

TraceComparison CompareTraces(const TraceSample& a, const TraceSample& b,
                              const ComparisonOptions& options) {
  Comparer comparer(options);
  comparer.Add(a, 0);
  comparer.Add(b, 1);
  return comparer.Finish();
}

TraceSample SampleOf(const std::vector<model::SpanBatchPtr>& traces) {
  TraceSample sample;
  std::map<std::pair<std::string_view, std::string_view>, uint32_t> known;
  for (const model::SpanBatchPtr& batch : traces) {
    const LinkedTrace linked(*batch);
    if (linked.size() == 0) continue;
    TraceSample::Trace trace;
    trace.id = batch->spans().trace_id[linked.row(0)];
    trace.start = {linked.start(0)};
    trace.first = static_cast<uint32_t>(sample.spans.size());
    trace.count = linked.size();
    trace.root = linked.root();
    for (uint32_t i = 0; i < linked.size(); ++i) {
      const auto [at, added] =
          known.try_emplace({linked.service(i), linked.name(i)},
                            static_cast<uint32_t>(sample.operations.size()));
      if (added) {
        sample.operations.push_back(
            {std::string(linked.service(i)), std::string(linked.name(i))});
      }
      TraceSample::Span span;
      span.start = linked.start(i);
      span.end = linked.end(i);
      span.parent = linked.parent(i);
      span.operation = at->second;
      sample.spans.push_back(span);
    }
    sample.traces.push_back(trace);
  }
  return sample;
}

}  // namespace khtrace::analysis
