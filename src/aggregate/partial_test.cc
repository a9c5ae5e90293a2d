// SPDX-License-Identifier: Apache-2.0
#include "aggregate/partial.h"

#include <gtest/gtest.h>

#include <random>

#include "aggregate/partial_builder.h"
#include "aggregate/testing.h"
#include "model/span_batch_builder.h"
#include "model/testing.h"

namespace khtrace::aggregate {
namespace {

using model::SpanBatch;
using model::SpanBatchPtr;

SpanBatchPtr RandomBatch(uint64_t seed, uint32_t spans = 60) {
  model::RandomBatchOptions options;
  options.span_count = spans;
  options.odd_times = seed % 3 == 0;
  options.window_ns = 1'200'000'000'000;
  return std::make_shared<const SpanBatch>(
      model::RandomBatchForTesting(seed, options));
}

Partial Of(std::initializer_list<SpanBatchPtr> batches) {
  return AggregateBatches({batches.begin(), batches.size()});
}

// The traces of a batch in two halves.
std::pair<SpanBatchPtr, SpanBatchPtr> Halves(const SpanBatch& batch) {
  std::vector<model::RowIndex> rows[2];
  for (model::RowIndex row = 0; row < batch.row_count(); ++row) {
    rows[batch.spans().trace_id[row].low % 2].push_back(row);
  }
  for (auto& half : rows) {
    // No rows would mean all.
    if (half.empty()) half.push_back(0);
  }
  return {std::make_shared<const SpanBatch>(model::Compact(batch, rows[0])),
          std::make_shared<const SpanBatch>(model::Compact(batch, rows[1]))};
}

TEST(Partial, MergingTwoSetsOfTracesIsAggregatingBoth) {
  for (uint64_t seed = 1; seed < 100; ++seed) {
    const auto [a, b] = Halves(*RandomBatch(seed));
    Partial merged;
    merged.Merge(Of({b}));
    merged.Merge(Of({a}));
    const Partial both = Of({a, b});
    ASSERT_EQ(DescribePartial(merged), DescribePartial(both)) << seed;
    ASSERT_EQ(merged.Serialise(), both.Serialise()) << seed;
  }
}

TEST(Partial, WhatIsSubtractedAndAddedAgainLeavesNoTrace) {
  for (uint64_t seed = 1; seed < 100; ++seed) {
    const auto [first, second] = Halves(*RandomBatch(seed));
    const Partial a = Of({first});
    const Partial b = Of({second});
    Partial merged;
    merged.Merge(b, {.subtract = true});
    merged.Merge(a);
    merged.Merge(b);
    merged.Merge(b);
    merged.DropEmptyRows();
    ASSERT_EQ(merged.Serialise(), Of({first, second}).Serialise());
    merged.Merge(b, {.subtract = true});
    merged.DropEmptyRows();
    ASSERT_EQ(merged.red.size(), a.red.size());
    ASSERT_EQ(merged.edges.size(), a.edges.size());
  }
}

TEST(Partial, BucketsOutsideTheRangeAndOtherKindsStayOut) {
  const Partial whole = Of({RandomBatch(1, 500)});
  const auto count = [&](uint32_t first, uint32_t last) {
    Partial some;
    some.Merge(whole, {.kinds = kRed | kCritical,
                       .first_minute = first,
                       .last_minute = last});
    EXPECT_TRUE(some.edges.empty());
    EXPECT_TRUE(some.errors.empty());
    uint64_t spans = 0;
    for (const auto& [key, cell] : some.red) spans += cell.durations.count();
    return spans;
  };
  // All lies between minutes 29'453'760 and 29'453'780.
  const uint64_t first = count(29'453'764, 29'453'764);
  const uint64_t second = count(29'453'765, 29'453'767);
  EXPECT_GT(first, 0u);
  EXPECT_GT(second, 0u);
  EXPECT_EQ(count(29'453'764, 29'453'765), first + second);
  EXPECT_EQ(count(0, 29'453'759), 0u);
  EXPECT_EQ(count(29'453'780, UINT32_MAX), 0u);
  EXPECT_EQ(count(0, UINT32_MAX), 500u);
}

TEST(Partial, StepsBringMinutesTogether) {
  const Partial whole = Of({RandomBatch(1, 500)});
  Partial steps;
  steps.Merge(whole, {.step_minutes = 15});
  Partial all;
  all.Merge(whole, {.step_minutes = UINT32_MAX});
  uint64_t count = 0;
  uint64_t steps_count = 0;
  uint64_t all_count = 0;
  for (const auto& [key, cell] : whole.red) count += cell.durations.count();
  for (const auto& [key, cell] : steps.red) {
    EXPECT_EQ(key.minute % 15, 0u);
    steps_count += cell.durations.count();
  }
  for (const auto& [key, cell] : all.red) {
    EXPECT_EQ(key.minute, 0u);
    all_count += cell.durations.count();
  }
  EXPECT_EQ(count, 500u);
  EXPECT_EQ(steps_count, 500u);
  EXPECT_EQ(all_count, 500u);
  EXPECT_LT(steps.red.size(), whole.red.size());
}

TEST(PartialFormat, ParsesWhatItWrote) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const Partial partial = Of({RandomBatch(seed, 1 + seed * 5)});
    const std::string bytes = partial.Serialise();
    const auto parsed = Partial::Parse(bytes);
    ASSERT_TRUE(parsed) << parsed.error().message;
    ASSERT_EQ(DescribePartial(*parsed), DescribePartial(partial));
    ASSERT_EQ(parsed->Serialise(), bytes);
  }
  EXPECT_TRUE(Partial::Parse(Partial().Serialise()));
}

TEST(PartialFormat, ExampleOfTheFormatPageIsWhatIsWritten) {
  model::SpanBatchBuilder builder;
  builder.AddResource();
  builder.AddResourceAttribute("service.name", model::AttrValue::String("s"));
  builder.AddScope("", "");
  model::SpanBatchBuilder::SpanFields fields;
  fields.trace_id = {0, 1};
  fields.span_id = {1};
  fields.name = "op";
  fields.kind = model::SpanKind::kServer;
  builder.AddSpan(fields);
  constexpr std::string_view kExpected(
      "\x02\x02\x02op\x01s"
      "\x01\x23\x01\x01\x02\x01\x00\x01\x04\x01\x00\x01\x00\x01\x00"
      "\x01\x01\x01\x00\x01\x00\x01\x01"
      "\x01\x00\x01\x00\x01\x00\x01\x01\x01\x00\x01\x00\x01\x00",
      44);
  EXPECT_EQ(
      Of({std::make_shared<const SpanBatch>(builder.Build())}).Serialise(),
      kExpected);
}

TEST(PartialFormat, CutShortItIsMalformed) {
  const std::string bytes = Of({RandomBatch(1)}).Serialise();
  const std::string whole = DescribePartial(*Partial::Parse(bytes));
  for (size_t n = 0; n < bytes.size(); ++n) {
    const auto parsed = Partial::Parse(bytes.substr(0, n));
    // Between two tables there is no telling.
    if (parsed) {
      ASSERT_TRUE(whole.starts_with(DescribePartial(*parsed))) << n;
    } else {
      ASSERT_EQ(parsed.error().code, Code::kDataLoss);
    }
  }
}

// Sorted, each once: equal rows give equal bytes.
TEST(PartialFormat, TextsOutOfOrderAreMalformed) {
  // Version, two texts, no table.
  const auto parse = [](std::string_view first, std::string_view second) {
    std::string bytes = "\x02\x02";
    for (const std::string_view text : {first, second}) {
      bytes += static_cast<char>(text.size());
      bytes += text;
    }
    return Partial::Parse(bytes);
  };
  EXPECT_TRUE(parse("a", "b"));
  for (const auto& bad : {parse("b", "a"), parse("a", "a")}) {
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().code, Code::kDataLoss);
    EXPECT_EQ(bad.error().message, "malformed aggregates: texts");
  }
}

TEST(PartialFormat, UnknownKindIsPassedOverNewerVersionIsRefused) {
  const Partial partial = Of({RandomBatch(1)});
  std::string bytes = partial.Serialise();
  bytes += std::string("\x40\x03xyz", 5);
  const auto parsed = Partial::Parse(bytes);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(DescribePartial(*parsed), DescribePartial(partial));
  for (const char version : {1, 3}) {
    bytes[0] = version;
    EXPECT_EQ(Partial::Parse(bytes).error().code, Code::kUnimplemented);
  }
}

}  // namespace
}  // namespace khtrace::aggregate
