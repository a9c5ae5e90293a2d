// SPDX-License-Identifier: Apache-2.0
#include "query/trace_tree.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/span_batch_builder.h"

namespace khtrace::query {
namespace {

using model::SpanKind;

struct TestSpan {
  uint64_t id;
  uint64_t parent;
  uint64_t start;
  SpanKind kind = SpanKind::kInternal;
};

model::SpanBatch Trace(const std::vector<TestSpan>& spans) {
  model::SpanBatchBuilder builder;
  builder.AddResource();
  builder.AddScope("", "");
  for (const TestSpan& span : spans) {
    model::SpanBatchBuilder::SpanFields fields;
    fields.trace_id = {0, 1};
    fields.span_id = {span.id};
    fields.parent_span_id = {span.parent};
    fields.start = {span.start};
    fields.end = {span.start + 1};
    fields.kind = span.kind;
    builder.AddSpan(fields);
  }
  return builder.Build();
}

// "0 .1 ..2": rows in order, a dot for each level.
std::string Draw(const TraceTree& tree) {
  std::string out;
  tree.ForEach([&out](model::RowIndex row, uint32_t depth) {
    if (!out.empty()) out += ' ';
    out += fmt::format("{}{}", std::string(depth, '.'), row);
  });
  return out;
}

TEST(TraceTree, OrdersSiblingsByStart) {
  const TraceTree tree(Trace({{1, 0, 10}, {2, 1, 30}, {3, 1, 20}, {4, 2, 31}}));
  EXPECT_EQ(Draw(tree), "0 .2 .1 ..3");
  EXPECT_EQ(tree.parent(3), 1u);
  EXPECT_EQ(tree.parent(0), TraceTree::kNoRow);
  EXPECT_EQ(tree.orphan_count(), 0u);
}

TEST(TraceTree, MakesOrphansRoots) {
  const TraceTree tree(Trace({{1, 0, 10}, {2, 99, 5}, {3, 2, 6}}));
  EXPECT_EQ(Draw(tree), "1 .2 0");
  EXPECT_TRUE(tree.orphan(1));
  EXPECT_FALSE(tree.orphan(0));
  EXPECT_EQ(tree.orphan_count(), 1u);
}

TEST(TraceTree, CutsCycleAtItsEarliestSpan) {
  const TraceTree tree(Trace({{1, 3, 30}, {2, 1, 10}, {3, 2, 20}, {4, 3, 40}}));
  EXPECT_EQ(Draw(tree), "1 .2 ..0 ..3");
  EXPECT_EQ(tree.orphan_count(), 0u);
}

TEST(TraceTree, TakesSpanThatIsItsOwnParentAsRoot) {
  EXPECT_EQ(Draw(TraceTree(Trace({{1, 1, 10}, {2, 1, 11}}))), "0 .1");
}

TEST(TraceTree, PutsZipkinServerUnderClientAndChildrenUnderServer) {
  const TraceTree tree(Trace({{1, 0, 1},
                              {2, 1, 10, SpanKind::kClient},
                              {2, 1, 11, SpanKind::kServer},
                              {3, 2, 12}}));
  EXPECT_EQ(Draw(tree), "0 .1 ..2 ...3");
}

TEST(TraceTree, GivesChildrenOfOtherDuplicateIdsToTheFirst) {
  EXPECT_EQ(Draw(TraceTree(Trace({{1, 0, 1}, {1, 0, 2}, {2, 1, 3}}))),
            "0 .2 1");
}

TEST(TraceTree, WalksChainOfManySpansWithoutRecursion) {
  std::vector<TestSpan> spans;
  for (uint64_t i = 1; i <= 200'000; ++i) spans.push_back({i, i - 1, i});
  const TraceTree tree(Trace(spans));
  uint32_t deepest = 0;
  tree.ForEach([&](model::RowIndex, uint32_t depth) { deepest = depth; });
  EXPECT_EQ(deepest, 199'999u);
}

TEST(TraceTree, OfNoSpansIsEmpty) {
  const TraceTree tree{model::SpanBatch()};
  EXPECT_EQ(tree.row_count(), 0u);
  EXPECT_TRUE(tree.roots().empty());
  EXPECT_EQ(Draw(tree), "");
}

}  // namespace
}  // namespace khtrace::query
