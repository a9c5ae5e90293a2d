// SPDX-License-Identifier: Apache-2.0
#include "analysis/trace_comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "analysis/testing.h"

namespace khtrace::analysis {
namespace {

using testing::HasSubstr;
using testing::Not;

// A request that authorises, then ranks, then asks `queries` times.
model::SpanBatchPtr Request(uint64_t id, double rank_ms, int queries,
                            double query_ms = 2) {
  std::vector<TestSpan> spans;
  TestSpan auth{.id = 2, .parent = 1, .start_ms = 1, .duration_ms = 9};
  auth.service = "auth";
  auth.name = "verify";
  TestSpan rank{.id = 3, .parent = 1, .start_ms = 10};
  rank.duration_ms = rank_ms;
  rank.service = "search";
  rank.name = "rank";
  double at = 10 + rank_ms;
  for (int i = 0; i < queries; ++i, at += query_ms) {
    TestSpan query{.id = 10 + static_cast<uint64_t>(i), .parent = 1};
    query.start_ms = at;
    query.duration_ms = query_ms;
    query.service = "postgres";
    query.name = "SELECT";
    spans.push_back(query);
  }
  TestSpan root{.id = 1};
  root.name = "POST /search";
  root.duration_ms = at + 1;
  spans.insert(spans.begin(), {root, auth, rank});
  return TraceOf(spans, id);
}

TraceComparison Compare(const std::vector<model::SpanBatchPtr>& a,
                        const std::vector<model::SpanBatchPtr>& b,
                        const ComparisonOptions& options = {}) {
  return CompareTraces(SampleOf(a), SampleOf(b), options);
}

const ComparedNode& NodeOf(const TraceComparison& diff,
                           std::string_view operation) {
  static const ComparedNode kNone;
  for (const ComparedNode& node : diff.nodes) {
    if (node.operation == operation) return node;
  }
  ADD_FAILURE() << "no " << operation;
  return kNone;
}

double PathSum(const TraceComparison& diff, bool of_b) {
  double sum = 0;
  for (const ComparedNode& node : diff.nodes) {
    sum += of_b ? node.b.path_nanos : node.a.path_nanos;
  }
  return sum;
}

TEST(TraceComparison, TwoTracesAsOneTree) {
  const TraceComparison diff =
      Compare({Request(1, 5, 1)}, {Request(2, 45, 20)});
  EXPECT_EQ(diff.a_traces, 1u);
  EXPECT_EQ(diff.a_nanos, 18e6);
  EXPECT_EQ(diff.b_nanos, 96e6);
  ASSERT_EQ(diff.nodes.size(), 4u);
  EXPECT_EQ(diff.nodes[0].operation, "POST /search");
  EXPECT_EQ(diff.nodes[0].parent, ComparedNode::kNoParent);
  EXPECT_EQ(diff.nodes[1].operation, "verify");  // by start
  EXPECT_EQ(diff.nodes[2].operation, "rank");
  EXPECT_EQ(diff.nodes[3].operation, "SELECT");
  EXPECT_EQ(diff.nodes[3].parent, 0u);
  EXPECT_EQ(diff.nodes[3].depth, 1u);
  const ComparedNode& select = NodeOf(diff, "SELECT");
  EXPECT_EQ(select.a.calls, 1);
  EXPECT_EQ(select.b.calls, 20);
  EXPECT_EQ(select.b.span_nanos, 40e6);
  EXPECT_EQ(select.difference, 38e6);
  EXPECT_EQ(select.q_value, 1);
  EXPECT_EQ(NodeOf(diff, "rank").difference, 40e6);
  EXPECT_EQ(diff.verdict,
            "B is 78 ms slower (96 ms instead of 18 ms): search rank +40 ms "
            "(51 %), postgres SELECT +38 ms (49 %, 20 calls instead of 1), the "
            "rest +0 ns.");
}

TEST(TraceComparison, SwappedSidesHaveSwappedSigns) {
  const std::vector a = {Request(1, 5, 1), Request(2, 6, 3)};
  const std::vector b = {Request(3, 45, 20)};
  const TraceComparison one = Compare(a, b);
  const TraceComparison other = Compare(b, a);
  ASSERT_EQ(one.nodes.size(), other.nodes.size());
  for (const ComparedNode& node : one.nodes) {
    EXPECT_DOUBLE_EQ(node.difference,
                     -NodeOf(other, node.operation).difference);
  }
  EXPECT_THAT(other.verdict, HasSubstr("faster"));
}

TEST(TraceComparison, WhatOneSideLacksIsSaid) {
  const TraceComparison diff = Compare({Request(1, 5, 0)}, {Request(2, 5, 2)});
  EXPECT_EQ(diff.only_a, 0u);
  EXPECT_EQ(diff.only_b, 1u);
  EXPECT_EQ(NodeOf(diff, "SELECT").a.traces, 0u);
  EXPECT_THAT(diff.verdict, HasSubstr("Only in B: 1 operation."));
  const TraceComparison same = Compare({Request(1, 5, 1)}, {Request(2, 5, 1)});
  EXPECT_THAT(same.verdict, HasSubstr("B takes as long as A"));
  EXPECT_THAT(Compare({}, {Request(2, 5, 1)}).verdict,
              HasSubstr("no trace of A"));
}

TEST(TraceComparison, SetsAreComparedByTheirMeansAndToldFromChance) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> noise(20, 3);
  std::vector<model::SpanBatchPtr> a;
  std::vector<model::SpanBatchPtr> b;
  for (uint64_t i = 0; i < 40; ++i) {
    a.push_back(Request(i + 1, noise(random), 2));
    b.push_back(Request(i + 1, noise(random) + 10, 2));
  }
  const TraceComparison diff = Compare(a, b);
  EXPECT_NEAR(NodeOf(diff, "rank").difference, 10e6, 2.5e6);
  EXPECT_LT(NodeOf(diff, "rank").q_value, 0.001);
  EXPECT_GT(NodeOf(diff, "verify").q_value, 0.5);
  EXPECT_THAT(diff.verdict, Not(HasSubstr("chance")));
  a.resize(3);
  EXPECT_THAT(Compare(a, b).verdict, HasSubstr("Too few traces"));
}

TEST(TraceComparison, TooManyNodesCountWithTheirCallers) {
  ComparisonOptions options;
  options.max_nodes = 2;
  const TraceComparison diff =
      Compare({Request(1, 5, 1)}, {Request(2, 45, 20)}, options);
  EXPECT_TRUE(diff.truncated);
  ASSERT_EQ(diff.nodes.size(), 2u);
  EXPECT_EQ(diff.nodes[0].b.calls, 1);
  EXPECT_NEAR(PathSum(diff, true), diff.b_nanos, 1);
}

// Whatever the traces: the parts add up to the durations.
TEST(TraceComparison, PartsAddUpToTheDifference) {
  std::mt19937_64 random(7);
  const auto below = [&random](uint64_t n) { return random() % n; };
  for (uint64_t run = 0; run < RunsOf(2'000); ++run) {
    std::vector<model::SpanBatchPtr> sides[2];
    for (auto& side : sides) {
      for (uint64_t t = 0; t <= below(3); ++t) {
        std::vector<TestSpan> spans;
        const uint64_t count = 1 + below(30);
        for (uint64_t i = 1; i <= count; ++i) {
          TestSpan span{.id = i, .parent = i == 1 ? 0 : below(count + 2)};
          span.start_ms = static_cast<double>(below(100));
          span.duration_ms = static_cast<double>(below(100));
          span.name = std::string(1, static_cast<char>('a' + below(4)));
          spans.push_back(span);
        }
        side.push_back(TraceOf(spans, t + 1));
      }
    }
    ComparisonOptions options;
    options.max_nodes = below(3) == 0 ? 5 : 2'000;
    options.max_depth = below(3) == 0 ? 2 : 100;
    const TraceComparison diff = Compare(sides[0], sides[1], options);
    ASSERT_NEAR(PathSum(diff, false), diff.a_nanos, 10) << run;
    ASSERT_NEAR(PathSum(diff, true), diff.b_nanos, 10) << run;
    for (size_t i = 0; i < diff.nodes.size(); ++i) {
      const uint32_t parent = diff.nodes[i].parent;
      ASSERT_TRUE(parent == ComparedNode::kNoParent || parent < i);
    }
  }
}

}  // namespace
}  // namespace khtrace::analysis
