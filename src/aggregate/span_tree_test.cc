// SPDX-License-Identifier: Apache-2.0
#include "aggregate/span_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>

namespace khtrace::aggregate {
namespace {

using Rows = std::vector<uint32_t>;
using Times = std::vector<uint64_t>;

struct Trace {
  Rows parents;
  Times starts;
  Times ends;
};

// Small times, so that starts, ends and touching intervals coincide often.
Trace RandomTrace(std::mt19937_64& random, bool cycles) {
  Trace trace;
  const size_t n = 1 + random() % 12;
  for (uint32_t i = 0; i < n; ++i) {
    trace.starts.push_back(random() % 30);
  }
  std::sort(trace.starts.begin(), trace.starts.end());
  for (uint32_t i = 0; i < n; ++i) {
    const uint64_t end = trace.starts[i] + random() % 20;
    trace.ends.push_back(random() % 10 == 0 ? random() % 30 : end);
    const uint32_t bound = cycles ? static_cast<uint32_t>(n) : i;
    trace.parents.push_back(bound == 0 || random() % 6 == 0 ? kNoRow
                                                            : random() % bound);
  }
  return trace;
}

bool IsDescendant(std::span<const uint32_t> parents, uint32_t row,
                  uint32_t ancestor) {
  for (uint32_t at = parents[row]; at != kNoRow; at = parents[at]) {
    if (at == ancestor) return true;
  }
  return false;
}

// Nanosecond by nanosecond.
uint64_t NaiveChildTime(const Trace& t, std::span<const uint32_t> parents,
                        uint32_t row) {
  uint64_t count = 0;
  for (uint64_t ns = t.starts[row]; ns < t.ends[row]; ++ns) {
    for (uint32_t child = 0; child < parents.size(); ++child) {
      if (parents[child] != row) continue;
      if (t.starts[child] <= ns && ns < t.ends[child]) {
        ++count;
        break;
      }
    }
  }
  return count;
}

// The rule as the format page words it, by recursion.
void NaiveCritical(const Trace& t, std::span<const uint32_t> parents,
                   uint32_t row, uint64_t begin, uint64_t end, Times* out) {
  uint64_t at = end;
  while (true) {
    uint32_t best = kNoRow;
    const auto clipped = [&](uint32_t child) {
      return std::tuple(std::min(t.ends[child], end),
                        -static_cast<int64_t>(std::max(t.starts[child], begin)),
                        -static_cast<int64_t>(child));
    };
    for (uint32_t child = 0; child < parents.size(); ++child) {
      if (parents[child] != row) continue;
      const uint64_t from = std::max(t.starts[child], begin);
      const uint64_t to = std::min(t.ends[child], end);
      if (from >= to || to > at) continue;
      if (best == kNoRow || clipped(child) > clipped(best)) best = child;
    }
    if (best == kNoRow) break;
    const uint64_t from = std::max(t.starts[best], begin);
    const uint64_t to = std::min(t.ends[best], end);
    (*out)[row] += at - to;
    NaiveCritical(t, parents, best, from, to, out);
    at = from;
  }
  (*out)[row] += at - begin;
}

TEST(SpanTree, CyclesLoseTheParentOfTheirLowestRow) {
  SpanTree tree;
  tree.SetParents(Rows{0});
  EXPECT_EQ(tree.parents()[0], kNoRow);
  tree.SetParents(Rows{1, 2, 1, 0});
  EXPECT_TRUE(std::ranges::equal(tree.parents(), Rows{1, kNoRow, 1, 0}));
  tree.SetParents(Rows{kNoRow, 3, 0, 1});
  EXPECT_TRUE(std::ranges::equal(tree.parents(), Rows{kNoRow, kNoRow, 0, 1}));
}

TEST(SpanTree, EveryRowHasARootWhateverTheParents) {
  std::mt19937_64 random(1);
  SpanTree tree;
  for (int i = 0; i < 20'000; ++i) {
    const Trace trace = RandomTrace(random, true);
    tree.SetParents(trace.parents);
    size_t changed = 0;
    for (uint32_t row = 0; row < tree.size(); ++row) {
      size_t steps = 0;
      for (uint32_t at = row; at != kNoRow; at = tree.parents()[at]) {
        ASSERT_LE(++steps, tree.size());
      }
      changed += tree.parents()[row] != trace.parents[row];
      // Only a member of a cycle may lose its parent, and the lowest one.
      if (tree.parents()[row] != trace.parents[row]) {
        uint32_t at = trace.parents[row];
        for (; at != row; at = trace.parents[at]) ASSERT_GT(at, row);
      }
    }
    ASSERT_LE(changed * 1, tree.size());
  }
}

TEST(SpanTree, NestedSetsContainExactlyTheDescendants) {
  std::mt19937_64 random(2);
  SpanTree tree;
  Rows left;
  Rows right;
  for (int i = 0; i < 5000; ++i) {
    tree.SetParents(RandomTrace(random, i % 2 == 0).parents);
    tree.NestedSets(&left, &right);
    std::set<uint32_t> numbers(left.begin(), left.end());
    numbers.insert(right.begin(), right.end());
    ASSERT_EQ(numbers.size(), 2 * tree.size());
    ASSERT_EQ(*numbers.begin(), 1u);
    ASSERT_EQ(*numbers.rbegin(), 2 * tree.size());
    for (uint32_t a = 0; a < tree.size(); ++a) {
      uint32_t children = 0;
      for (uint32_t b = 0; b < tree.size(); ++b) {
        ASSERT_EQ(left[a] < left[b] && right[b] < right[a],
                  IsDescendant(tree.parents(), b, a));
        children += tree.parents()[b] == a;
      }
      ASSERT_EQ(tree.child_count(a), children);
    }
  }
}

TEST(SpanTree, ChildTimesEqualACountOfNanoseconds) {
  std::mt19937_64 random(3);
  SpanTree tree;
  Times covered;
  for (int i = 0; i < 20'000; ++i) {
    const Trace trace = RandomTrace(random, i % 2 == 0);
    tree.SetParents(trace.parents);
    tree.ChildTimes(trace.starts, trace.ends, &covered);
    for (uint32_t row = 0; row < tree.size(); ++row) {
      ASSERT_EQ(covered[row], NaiveChildTime(trace, tree.parents(), row));
    }
  }
}

TEST(SpanTree, CriticalTimesFollowTheRuleAndAddUpToTheRoot) {
  std::mt19937_64 random(4);
  SpanTree tree;
  Times critical;
  for (int i = 0; i < 20'000; ++i) {
    const Trace trace = RandomTrace(random, i % 2 == 0);
    tree.SetParents(trace.parents);
    for (uint32_t root = 0; root < tree.size(); ++root) {
      tree.CriticalTimes(trace.starts, trace.ends, root, &critical);
      Times expected(tree.size());
      const uint64_t begin = trace.starts[root];
      const uint64_t end = std::max(begin, trace.ends[root]);
      NaiveCritical(trace, tree.parents(), root, begin, end, &expected);
      ASSERT_EQ(critical, expected);
      ASSERT_EQ(std::accumulate(critical.begin(), critical.end(), uint64_t{0}),
                end - begin);
    }
  }
}

TEST(SpanTree, TimesAtTheEndsOfTheRangeDoNotOverflow) {
  SpanTree tree;
  const uint64_t top = UINT64_MAX;
  tree.SetParents(Rows{kNoRow, 0, 0});
  Times covered;
  Times critical;
  tree.ChildTimes(Times{0, 5, top}, Times{top, top, top}, &covered);
  EXPECT_EQ(covered, (Times{top - 5, 0, 0}));
  tree.CriticalTimes(Times{0, 5, top}, Times{top, top, top}, 0, &critical);
  EXPECT_EQ(critical, (Times{5, top - 5, 0}));
}

TEST(SpanTree, ChainOfAMillionSpansNeedsNoStack) {
  const uint32_t n = 1'000'000;
  Rows parents;
  Times starts;
  Times ends;
  for (uint32_t i = 0; i < n; ++i) {
    parents.push_back(i == 0 ? kNoRow : i - 1);
    starts.push_back(i);
    ends.push_back(4 * uint64_t{n} - i);
  }
  SpanTree tree;
  tree.SetParents(parents);
  Rows left;
  Rows right;
  tree.NestedSets(&left, &right);
  EXPECT_EQ(left[n - 1] + 1, right[n - 1]);
  Times critical;
  tree.CriticalTimes(starts, ends, 0, &critical);
  EXPECT_EQ(critical[0], 2u);
}

}  // namespace
}  // namespace khtrace::aggregate
