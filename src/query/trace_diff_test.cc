// SPDX-License-Identifier: Apache-2.0
#include "query/trace_diff.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/span_batch_builder.h"
#include "query/trace_diff_summary.h"

namespace khtrace::query {
namespace {

using model::AttrValue;
using Numbers = std::vector<uint32_t>;

constexpr uint64_t kMilli = 1'000'000;

struct TestSpan {
  uint64_t id;
  uint64_t parent;
  std::string_view name;
  uint64_t duration = 10 * kMilli;
  std::vector<std::pair<std::string_view, AttrValue>> attributes{};
};

model::SpanBatch TraceOf(const std::vector<TestSpan>& spans) {
  model::SpanBatchBuilder builder;
  builder.AddResource();
  builder.AddResourceAttribute("service.name", AttrValue::String("shop"));
  builder.AddScope("", "");
  for (const TestSpan& span : spans) {
    model::SpanBatchBuilder::SpanFields fields;
    fields.trace_id = {0, 1};
    fields.span_id = {span.id};
    fields.parent_span_id = {span.parent};
    fields.name = span.name;
    fields.start = {1000 + span.id};
    fields.end = {fields.start.ns + span.duration};
    builder.AddSpan(fields);
    for (const auto& [key, value] : span.attributes) {
      builder.AddSpanAttribute(key, value);
    }
  }
  return builder.Build();
}

query::TraceDiff DiffOf(const std::vector<TestSpan>& base,
                        const std::vector<TestSpan>& compare) {
  const model::SpanBatch a = TraceOf(base);
  const model::SpanBatch b = TraceOf(compare);
  return CompareTraces(DiffTrace(a), DiffTrace(b));
}

// Whether the attribute counts as changed.
bool Changed(std::string_view key, AttrValue before, AttrValue after) {
  return DiffOf({{1, 0, "a", kMilli, {{key, before}}}},
                {{1, 0, "a", kMilli, {{key, after}}}})
             .attribute_changes == 1;
}

bool DurationChanged(uint64_t before, uint64_t after) {
  return DiffOf({{1, 0, "a", before}}, {{1, 0, "a", after}}).field_changes == 1;
}

TEST(TraceDiff, IdsAndTimesDoNotMatter) {
  const TraceDiff diff =
      DiffOf({{1, 0, "a"}, {2, 1, "b"}}, {{71, 0, "a"}, {72, 71, "b"}});
  EXPECT_EQ(diff.matched, 2u);
  EXPECT_TRUE(diff.modified.empty() && diff.added.empty() &&
              diff.removed.empty());
}

TEST(TraceDiff, OfEqualSpansThoseBelowEqualParentsMatch) {
  // The second "b" is below "c" on both sides.
  const TraceDiff diff = DiffOf(
      {{1, 0, "a"}, {2, 1, "b", 1}, {3, 1, "c"}, {4, 3, "b", 90 * kMilli}},
      {{1, 0, "a"}, {2, 1, "c"}, {3, 2, "b", 90 * kMilli}});
  EXPECT_EQ(diff.matched, 3u);
  EXPECT_TRUE(diff.modified.empty());
  EXPECT_EQ(diff.removed, (Numbers{1}));
}

TEST(TraceDiff, ASpanInBetweenLeavesThoseBelowMatched) {
  const TraceDiff diff = DiffOf({{1, 0, "a"}, {2, 1, "b"}},
                                {{1, 0, "a"}, {2, 1, "x"}, {3, 2, "b"}});
  EXPECT_EQ(diff.matched, 2u);
  EXPECT_EQ(diff.added, (Numbers{1}));
  EXPECT_TRUE(diff.removed.empty());
}

TEST(TraceDiff, DurationsDifferFromAFifthAndAMillisecondOn) {
  EXPECT_FALSE(DurationChanged(100 * kMilli, 126 * kMilli));
  EXPECT_TRUE(DurationChanged(100 * kMilli, 127 * kMilli));
  EXPECT_FALSE(DurationChanged(10, kMilli));
  EXPECT_TRUE(DurationChanged(kMilli, 10 * kMilli));
}

TEST(TraceDiff, AmountsDifferFromATwentiethOnAndAllElseExactly) {
  const auto i = [](int64_t n) { return AttrValue::Int(n); };
  EXPECT_FALSE(Changed("file.size", i(1000), i(1050)));
  EXPECT_TRUE(Changed("file.size", i(1000), i(1060)));
  EXPECT_TRUE(Changed("rows", i(1000), i(1001)));
  EXPECT_FALSE(Changed("rows", i(7), AttrValue::Double(7)));
  EXPECT_TRUE(Changed("rows", i((int64_t{1} << 60) + 1), i(int64_t{1} << 60)));
  EXPECT_TRUE(Changed("rows", i(7), AttrValue::String("7")));
  EXPECT_TRUE(Changed("file.size", i(7), AttrValue::String("7")));
}

TEST(TraceDiff, PathsArePositionsFromTheRoot) {
  const model::SpanBatch batch = TraceOf(
      {{1, 0, "a"}, {2, 1, "b"}, {3, 1, "c"}, {4, 3, "d"}, {5, 99, "e"}});
  const DiffTrace trace(batch);
  ASSERT_EQ(trace.spans().size(), 5u);
  EXPECT_EQ(trace.PathOf(0), (Numbers{0}));
  EXPECT_EQ(trace.PathOf(1), (Numbers{0, 0}));
  EXPECT_EQ(trace.PathOf(3), (Numbers{0, 1, 0}));
  EXPECT_EQ(trace.PathOf(4), (Numbers{1}));
}

TEST(TraceDiff, ManyEqualSpansTakeNoLonger) {
  std::vector<TestSpan> spans = {{1, 0, "root"}};
  for (uint64_t id = 2; id < 50'000; ++id) spans.push_back({id, 1, "same"});
  EXPECT_EQ(DiffOf(spans, spans).matched, spans.size());
}

// What no span shows alone: all take a little longer.
TEST(TraceDiffSummary, ManySmallChangesAddUp) {
  std::vector<TestSpan> before = {{1, 0, "root", 100 * kMilli}};
  std::vector<TestSpan> after = {{1, 0, "root", 101 * kMilli}};
  for (uint64_t id = 2; id < 30; ++id) {
    before.push_back({id, 1, "call", 5 * kMilli});
    after.push_back({id, 1, "call", 6 * kMilli});
  }
  const model::SpanBatch a = TraceOf(before);
  const model::SpanBatch b = TraceOf(after);
  const DiffTrace base(a);
  const DiffTrace compare(b);
  const TraceDiff diff = CompareTraces(base, compare);
  EXPECT_TRUE(diff.modified.empty());
  const TraceDiffSummary summary = Summarize(base, compare, diff);
  ASSERT_EQ(summary.services.size(), 1u);
  EXPECT_EQ(summary.services[0].name, "shop");
  EXPECT_EQ(summary.services[0].sum_change, static_cast<int64_t>(29 * kMilli));
  EXPECT_FALSE(summary.structure_changed);
  EXPECT_EQ(summary.of_larger, 1);
}

TEST(TraceDiffSummary, AnotherParentIsAnotherStructure) {
  const model::SpanBatch a = TraceOf({{1, 0, "a"}, {2, 1, "b"}, {3, 1, "c"}});
  const model::SpanBatch b = TraceOf({{1, 0, "a"}, {2, 1, "b"}, {3, 2, "c"}});
  const DiffTrace base(a);
  const DiffTrace compare(b);
  const TraceDiffSummary summary =
      Summarize(base, compare, CompareTraces(base, compare));
  EXPECT_TRUE(summary.structure_changed);
  EXPECT_EQ(summary.changed_services, (std::vector<std::string>{"shop"}));
  EXPECT_TRUE(summary.services.empty());
}

}  // namespace
}  // namespace khtrace::query
