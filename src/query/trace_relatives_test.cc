// SPDX-License-Identifier: Apache-2.0
#include "query/trace_relatives.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "model/span_batch_builder.h"

namespace khtrace::query {
namespace {

using Rows = std::vector<model::RowIndex>;

// Span n is row n - 1; of each its parent.
model::SpanBatch TraceOf(const std::vector<uint64_t>& parents) {
  model::SpanBatchBuilder builder;
  builder.AddResource();
  builder.AddScope("", "");
  for (uint64_t n = 1; n <= parents.size(); ++n) {
    model::SpanBatchBuilder::SpanFields fields;
    fields.trace_id = {0, 1};
    fields.span_id = {n};
    fields.parent_span_id = {parents[n - 1]};
    fields.start = {n};
    fields.end = {n + 1};
    builder.AddSpan(fields);
  }
  return builder.Build();
}

Rows Around(const model::SpanBatch& trace, const Rows& rows, uint32_t ancestors,
            uint32_t descendants) {
  return WithRelatives(trace, rows, {ancestors, descendants});
}

// 1 is the root of 2 and 6, 2 of 3, 3 of 4, 4 of 5.
const std::vector<uint64_t> kBranches = {0, 1, 2, 3, 4, 1};
constexpr uint32_t kAll = Relatives::kAll;

TEST(TraceRelatives, LevelsAreCountedFromEachSpan) {
  const model::SpanBatch trace = TraceOf(kBranches);
  EXPECT_EQ(Around(trace, {2}, 0, 0), (Rows{2}));
  EXPECT_EQ(Around(trace, {2}, 1, 0), (Rows{1, 2}));
  EXPECT_EQ(Around(trace, {2}, 2, 0), (Rows{0, 1, 2}));
  EXPECT_EQ(Around(trace, {2}, 9, 0), (Rows{0, 1, 2}));
  EXPECT_EQ(Around(trace, {2}, 0, 1), (Rows{2, 3}));
  EXPECT_EQ(Around(trace, {2}, 1, 2), (Rows{1, 2, 3, 4}));
  // Branches beside it stay away.
  EXPECT_EQ(Around(trace, {2}, kAll, kAll), (Rows{0, 1, 2, 3, 4}));
  EXPECT_EQ(Around(trace, {2, 5}, 1, 0), (Rows{0, 1, 2, 5}));
  EXPECT_EQ(Around(trace, {2, 5}, kAll, kAll), (Rows{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(Around(trace, {}, kAll, kAll), Rows());
}

// A span of the answer may be on the way from another one.
TEST(TraceRelatives, SpansBelowEachOtherReachAsFarAsAlone) {
  const model::SpanBatch trace = TraceOf({0, 1, 2, 3, 4, 5});
  EXPECT_EQ(Around(trace, {2, 3}, 1, 0), (Rows{1, 2, 3}));
  EXPECT_EQ(Around(trace, {0, 2}, 0, 1), (Rows{0, 1, 2, 3}));
  EXPECT_EQ(Around(trace, {1, 4}, 2, 0), (Rows{0, 1, 2, 3, 4}));
}

TEST(TraceRelatives, CyclesAndMissingParentsEnd) {
  EXPECT_EQ(Around(TraceOf({2, 1, 1}), {2}, kAll, kAll), (Rows{0, 2}));
  EXPECT_EQ(Around(TraceOf({9, 1}), {1}, kAll, 0), (Rows{0, 1}));
  std::vector<uint64_t> chain(100'000);
  for (uint64_t n = 0; n < chain.size(); ++n) chain[n] = n;
  Rows every;
  for (model::RowIndex row = 0; row < chain.size(); ++row) {
    every.push_back(row);
  }
  const model::SpanBatch trace = TraceOf(chain);
  EXPECT_EQ(Around(trace, every, kAll, kAll).size(), chain.size());
  EXPECT_EQ(Around(trace, {99'999}, kAll, 0).size(), chain.size());
}

}  // namespace
}  // namespace khtrace::query
