// SPDX-License-Identifier: Apache-2.0
#include "app/waterfall_rows.h"

#include <algorithm>
#include <span>
#include <unordered_map>
#include <utility>

namespace khtrace::app {
namespace {

using model::RowIndex;
using model::SpanBatch;
using query::TraceTree;

constexpr uint32_t kFoldBeyond = 5;
constexpr uint32_t kShownOfFolded = 3;

class Planner {
 public:
  Planner(const SpanBatch& trace, const TraceTree& tree, bool fold)
      : trace_(trace), tree_(tree), fold_(fold) {
    std::vector<RowIndex> order;
    order.reserve(tree.row_count());
    tree.ForEach([&](RowIndex row, uint32_t) { order.push_back(row); });
    spans_below_.assign(tree.row_count(), 1);
    error_below_.assign(tree.row_count(), false);
    for (auto it = order.rbegin(); it != order.rend(); ++it) {
      if (trace.spans().status[*it] == model::StatusCode::kError) {
        error_below_[*it] = true;
      }
      const RowIndex parent = tree.parent(*it);
      if (parent == TraceTree::kNoRow) continue;
      spans_below_[parent] += spans_below_[*it];
      if (error_below_[*it]) error_below_[parent] = true;
    }
  }

  WaterfallPlan Plan(size_t max_rows) {
    WaterfallPlan plan;
    std::vector<WaterfallRow> stack;
    PushSiblings(tree_.roots(), nullptr, &stack);
    uint32_t shown = 0;
    while (!stack.empty() && (max_rows == 0 || plan.rows.size() < max_rows)) {
      WaterfallRow next = std::move(stack.back());
      stack.pop_back();
      if (next.row == WaterfallRow::kFolded) {
        plan.folded_spans += next.folded_spans;
      } else {
        ++shown;
        next.has_children = !tree_.children(next.row).empty();
        PushSiblings(tree_.children(next.row), &next, &stack);
      }
      plan.rows.push_back(std::move(next));
    }
    plan.hidden_spans = tree_.row_count() - shown - plan.folded_spans;
    return plan;
  }

 private:
  struct Group {
    uint32_t foldable = 0;  // members without an error
    uint32_t shown = 0;
    size_t fold_at = 0;  // index of the folded row + 1; 0 = none yet
  };

  std::string GroupKey(RowIndex row) const {
    std::string key(trace_.ServiceName(row));
    key += '\0';
    return key.append(trace_.String(trace_.spans().name[row]));
  }

  // Children (or roots) as rows, with folding and without branches.
  std::vector<WaterfallRow> Siblings(std::span<const RowIndex> rows) const {
    std::vector<WaterfallRow> out;
    std::unordered_map<std::string, Group> groups;
    const bool fold = fold_ && rows.size() > kFoldBeyond;
    if (fold) {
      for (const RowIndex row : rows) {
        if (!error_below_[row]) ++groups[GroupKey(row)].foldable;
      }
    }
    for (const RowIndex row : rows) {
      Group* group =
          fold && !error_below_[row] ? &groups[GroupKey(row)] : nullptr;
      if (group == nullptr || group->foldable <= kFoldBeyond ||
          group->shown < kShownOfFolded) {
        out.emplace_back().row = row;
        if (group != nullptr) ++group->shown;
        continue;
      }
      if (group->fold_at == 0) {
        out.emplace_back();
        group->fold_at = out.size();
      }
      AddToFold(row, &out[group->fold_at - 1]);
    }
    return out;
  }

  void AddToFold(RowIndex row, WaterfallRow* folded) const {
    const uint64_t duration = trace_.DurationNanos(row);
    folded->sample = row;
    ++folded->folded_siblings;
    folded->folded_spans += spans_below_[row];
    folded->min_duration_ns = std::min(folded->min_duration_ns, duration);
    folded->max_duration_ns = std::max(folded->max_duration_ns, duration);
  }

  // Puts the siblings on the stack, first one on top. `parent` is null for
  // roots.
  void PushSiblings(std::span<const RowIndex> rows, const WaterfallRow* parent,
                    std::vector<WaterfallRow>* stack) const {
    std::vector<WaterfallRow> siblings = Siblings(rows);
    for (size_t i = siblings.size(); i-- > 0;) {
      WaterfallRow& row = siblings[i];
      if (parent != nullptr) Indent(*parent, i + 1 == siblings.size(), &row);
      stack->push_back(std::move(row));
    }
  }

  static void Indent(const WaterfallRow& parent, bool last,
                     WaterfallRow* child) {
    child->branches = parent.branches;
    child->deeper = parent.deeper;
    if (!child->branches.empty()) {
      Branch& above = child->branches.back();
      above = above == Branch::kTee ? Branch::kLine : Branch::kBlank;
    }
    child->branches.push_back(last ? Branch::kCorner : Branch::kTee);
    if (child->branches.size() > WaterfallPlan::kMaxLevels) {
      child->branches.erase(child->branches.begin());
      child->deeper = true;
    }
  }

  const SpanBatch& trace_;
  const TraceTree& tree_;
  const bool fold_;
  std::vector<uint32_t> spans_below_;  // itself included
  std::vector<bool> error_below_;
};

}  // namespace

WaterfallPlan PlanWaterfall(const SpanBatch& trace, const TraceTree& tree,
                            bool fold, size_t max_rows) {
  return Planner(trace, tree, fold).Plan(max_rows);
}

}  // namespace khtrace::app
