// SPDX-License-Identifier: Apache-2.0
#include "query/structure.h"

#include <boost/unordered/unordered_flat_map.hpp>

namespace khtrace::query {
namespace {

using traceql::SpansetOp;
constexpr uint32_t kNone = FrameTree::kNone;

class Relation {
 public:
  Relation(FrameTree& tree, const std::vector<uint32_t>* segments)
      : tree_(tree), segments_(segments) {}

  // Rows of `candidates` whose parent is in `of`.
  Mask ChildrenOf(const Mask& of, const Mask& candidates) const;
  Mask DescendantsOf(const Mask& of, const Mask& candidates) const;
  // Rows of `candidates` that are a parent of a row in `of`.
  Mask ParentsOf(const Mask& of, const Mask& candidates) const;
  Mask AncestorsOf(const Mask& of, const Mask& candidates) const;
  Mask SiblingsOf(const Mask& of, const Mask& candidates) const;

 private:
  uint32_t segment(uint32_t row) const {
    return segments_ == nullptr ? 0 : (*segments_)[row];
  }
  bool Related(uint32_t a, uint32_t b) const {
    return segment(a) == segment(b);
  }
  // Calls visit(ancestor) upwards until it returns true; without an end where
  // spans are their own ancestors, but for kMaxCyclicSteps.
  template <typename Visit>
  void ForEachAncestor(uint32_t row, const Visit& visit) const;
  // Every ancestor of every row is looked at.
  bool slow(uint32_t row) const { return tree_.in_cyclic_trace(row); }
  // Walks all trees that have no cycle: enter(row) before its descendants,
  // leave(row) after them.
  template <typename Enter, typename Leave>
  void Walk(const Enter& enter, const Leave& leave) const;
  void DescendantsInSegments(const Mask& of, const Mask& candidates,
                             Mask* out) const;
  void AncestorsInSegments(const Mask& of, const Mask& candidates,
                           Mask* out) const;

  // What senders of cyclic traces meant is anybody's guess: their ancestors are
  // followed this far.
  static constexpr uint32_t kMaxCyclicSteps = 1000;

  FrameTree& tree_;
  const std::vector<uint32_t>* segments_;
};

template <typename Visit>
void Relation::ForEachAncestor(uint32_t row, const Visit& visit) const {
  uint32_t left = tree_.in_cyclic_trace(row) ? kMaxCyclicSteps : UINT32_MAX;
  for (uint32_t at = tree_.parent(row); at != kNone && at != row && left > 0;
       at = tree_.parent(at), --left) {
    if (visit(at)) return;
  }
}

Mask Relation::ChildrenOf(const Mask& of, const Mask& candidates) const {
  Mask out(candidates.size());
  for (uint32_t row = 0; row < out.size(); ++row) {
    if (candidates[row] == 0) continue;
    const uint32_t parent = tree_.parent(row);
    out[row] = parent != kNone && of[parent] != 0 && Related(row, parent);
  }
  return out;
}

Mask Relation::ParentsOf(const Mask& of, const Mask& candidates) const {
  Mask out(candidates.size());
  for (uint32_t row = 0; row < out.size(); ++row) {
    if (of[row] == 0) continue;
    const uint32_t parent = tree_.parent(row);
    if (parent != kNone && candidates[parent] != 0 && Related(row, parent)) {
      out[parent] = 1;
    }
  }
  return out;
}

template <typename Enter, typename Leave>
void Relation::Walk(const Enter& enter, const Leave& leave) const {
  struct Step {
    uint32_t row;
    uint32_t next_child;
  };
  std::vector<Step> path;
  for (uint32_t root = 0; root < tree_.row_count(); ++root) {
    if (tree_.parent(root) != kNone || slow(root)) continue;
    enter(root);
    path.push_back({root, 0});
    while (!path.empty()) {
      Step& step = path.back();
      const auto children = tree_.children(step.row);
      if (step.next_child < children.size()) {
        const uint32_t child = children[step.next_child++];
        enter(child);
        path.push_back({child, 0});
      } else {
        leave(step.row);
        path.pop_back();
      }
    }
  }
}

// How many of `of` are above, by segment.
void Relation::DescendantsInSegments(const Mask& of, const Mask& candidates,
                                     Mask* out) const {
  boost::unordered_flat_map<uint32_t, uint32_t> above;
  Walk(
      [&](uint32_t row) {
        if ((of[row] | candidates[row]) == 0) return;
        uint32_t& count = above[segment(row)];
        if (candidates[row] != 0) (*out)[row] = count > 0;
        count += of[row];
      },
      [&](uint32_t row) {
        if (of[row] != 0) --above[segment(row)];
      });
}

// Whether more of `of` were met, by segment, while below.
void Relation::AncestorsInSegments(const Mask& of, const Mask& candidates,
                                   Mask* out) const {
  boost::unordered_flat_map<uint32_t, uint32_t> met;
  std::vector<uint32_t> met_before(out->size());
  Walk(
      [&](uint32_t row) {
        if ((of[row] | candidates[row]) == 0) return;
        uint32_t& count = met[segment(row)];
        count += of[row];
        met_before[row] = count;
      },
      [&](uint32_t row) {
        if (candidates[row] == 0) return;
        (*out)[row] |= met[segment(row)] > met_before[row] ? 1 : 0;
      });
}

// Downwards: a row is below `of` if its parent is, or is one of them. Known for
// a parent before it is for its children, so each row is looked at twice.
Mask Relation::DescendantsOf(const Mask& of, const Mask& candidates) const {
  constexpr uint8_t kUnknown = 2;
  Mask below(candidates.size(), kUnknown);
  Mask out(candidates.size());
  std::vector<uint32_t> path;
  const bool by_segment = segments_ != nullptr;
  if (by_segment) DescendantsInSegments(of, candidates, &out);
  for (uint32_t row = 0; row < out.size(); ++row) {
    if (candidates[row] == 0 || (by_segment && !slow(row))) continue;
    if (slow(row)) {
      ForEachAncestor(row, [&](uint32_t ancestor) {
        out[row] = of[ancestor] != 0 && Related(row, ancestor);
        return out[row] != 0;
      });
      continue;
    }
    path.clear();
    uint32_t at = row;
    while (at != kNone && below[at] == kUnknown) {
      path.push_back(at);
      at = tree_.parent(at);
    }
    uint8_t is_below = at == kNone ? 0 : below[at] | of[at];
    for (; !path.empty(); path.pop_back()) {
      below[path.back()] = is_below;
      is_below |= of[path.back()];
    }
    out[row] = below[row];
  }
  return out;
}

// Upwards, until an ancestor that is known already.
Mask Relation::AncestorsOf(const Mask& of, const Mask& candidates) const {
  Mask above(candidates.size());
  const bool by_segment = segments_ != nullptr;
  if (by_segment) AncestorsInSegments(of, candidates, &above);
  for (uint32_t row = 0; row < above.size(); ++row) {
    const bool every = slow(row);
    if (of[row] == 0 || (by_segment && !every)) continue;
    ForEachAncestor(row, [&](uint32_t ancestor) {
      if (!Related(row, ancestor)) return false;
      const bool known = above[ancestor] != 0;
      above[ancestor] = 1;
      return known && !every;
    });
  }
  for (size_t row = 0; row < above.size(); ++row) above[row] &= candidates[row];
  return above;
}

// Siblings have the same parent; roots of one trace are siblings too.
Mask Relation::SiblingsOf(const Mask& of, const Mask& candidates) const {
  // (parent or trace, segment) -> how many of `of`
  struct Family {
    uint64_t place;
    uint32_t segment;
    bool operator==(const Family&) const = default;
  };
  struct FamilyHash {
    size_t operator()(const Family& f) const {
      return (f.place * 31 + f.segment) * 0x9E3779B97F4A7C15;
    }
  };
  constexpr uint64_t kRoots = uint64_t{1} << 32;
  constexpr uint64_t kAlone = UINT64_MAX;
  const auto place_of = [&](uint32_t row) {
    const uint32_t parent = tree_.parent(row);
    if (parent != kNone) return uint64_t{parent};
    return tree_.is_root(row) ? kRoots + tree_.trace_of(row) : kAlone;
  };
  boost::unordered_flat_map<Family, uint32_t, FamilyHash> counts;
  for (uint32_t row = 0; row < of.size(); ++row) {
    if (of[row] != 0) ++counts[{place_of(row), segment(row)}];
  }
  Mask out(candidates.size());
  for (uint32_t row = 0; row < out.size(); ++row) {
    if (candidates[row] == 0) continue;
    const uint64_t place = place_of(row);
    if (place == kAlone) continue;
    const auto found = counts.find({place, segment(row)});
    const uint32_t count = found == counts.end() ? 0 : found->second;
    out[row] = count > (of[row] != 0 ? 1u : 0u);
  }
  return out;
}

Mask Relate(const Relation& relation, SpansetOp op, const Mask& of,
            const Mask& candidates) {
  switch (op) {
    case SpansetOp::kChild:
      return relation.ChildrenOf(of, candidates);
    case SpansetOp::kDescendant:
      return relation.DescendantsOf(of, candidates);
    case SpansetOp::kParent:
      return relation.ParentsOf(of, candidates);
    case SpansetOp::kAncestor:
      return relation.AncestorsOf(of, candidates);
    default:
      return relation.SiblingsOf(of, candidates);
  }
}

SpansetOp Inverse(SpansetOp op) {
  switch (op) {
    case SpansetOp::kChild:
      return SpansetOp::kParent;
    case SpansetOp::kParent:
      return SpansetOp::kChild;
    case SpansetOp::kDescendant:
      return SpansetOp::kAncestor;
    case SpansetOp::kAncestor:
      return SpansetOp::kDescendant;
    default:
      return op;
  }
}

// The operator without negation or union.
SpansetOp PlainOf(SpansetOp op) {
  switch (op) {
    case SpansetOp::kNotChild:
    case SpansetOp::kUnionChild:
      return SpansetOp::kChild;
    case SpansetOp::kNotDescendant:
    case SpansetOp::kUnionDescendant:
      return SpansetOp::kDescendant;
    case SpansetOp::kNotParent:
    case SpansetOp::kUnionParent:
      return SpansetOp::kParent;
    case SpansetOp::kNotAncestor:
    case SpansetOp::kUnionAncestor:
      return SpansetOp::kAncestor;
    case SpansetOp::kNotSibling:
    case SpansetOp::kUnionSibling:
      return SpansetOp::kSibling;
    default:
      return op;
  }
}

}  // namespace

Mask Relate(SpansetOp op, FrameTree& tree, const Mask& left, const Mask& right,
            const std::vector<uint32_t>* segments) {
  const Relation relation(tree, segments);
  const SpansetOp plain = PlainOf(op);
  Mask out = Relate(relation, plain, left, right);
  if (op == plain) return out;
  if (op >= SpansetOp::kNotChild && op <= SpansetOp::kNotSibling) {
    for (size_t row = 0; row < out.size(); ++row) {
      out[row] = right[row] & (out[row] ^ 1);
    }
    return out;
  }
  const Mask other = Relate(relation, Inverse(plain), right, left);
  for (size_t row = 0; row < out.size(); ++row) out[row] |= other[row];
  return out;
}

}  // namespace khtrace::query
