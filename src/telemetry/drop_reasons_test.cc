// SPDX-License-Identifier: Apache-2.0
#include "telemetry/drop_reasons.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace khtrace::telemetry {
namespace {

TEST(DropReasons, NamesAreDistinctSnakeCaseAndDescribed) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    const auto reason = static_cast<DropReason>(i);
    const std::string_view name = Name(reason);
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"),
              std::string_view::npos)
        << name;
    EXPECT_FALSE(Description(reason).empty()) << name;
    EXPECT_NE(Description(reason).back(), '.') << name;
  }
}

TEST(DropCounts, TotalsByOutcome) {
  DropCounts counts;
  counts.Add(DropReason::kZeroTraceId, 2);
  counts.Add(DropReason::kMalformedSpan);
  counts.Add(DropReason::kInvalidUtf8, 5);
  counts.Add(DropReason::kEndBeforeStart);
  EXPECT_EQ(counts.Total(Outcome::kDropped), 3u);
  EXPECT_EQ(counts.Total(Outcome::kRepaired), 5u);
  EXPECT_EQ(counts.Total(Outcome::kNoted), 1u);
  EXPECT_EQ(counts.Total(Outcome::kRefused), 0u);
}

TEST(DropCounts, MergesBySum) {
  DropCounts a;
  a.Add(DropReason::kQueueFull, 2);
  DropCounts b;
  b.Add(DropReason::kQueueFull, 3);
  b.Add(DropReason::kDiskFull);
  a.Merge(b);
  EXPECT_EQ(a[DropReason::kQueueFull], 5u);
  EXPECT_EQ(a[DropReason::kDiskFull], 1u);
}

TEST(DropCounts, SummaryNamesOnlyDroppedSpans) {
  DropCounts counts;
  counts.Add(DropReason::kInvalidUtf8, 7);
  EXPECT_EQ(counts.DropSummary(), "");
  counts.Add(DropReason::kMalformedSpan);
  EXPECT_EQ(counts.DropSummary(), "1 span dropped: 1 malformed_span");
  counts.Add(DropReason::kZeroTraceId, 2);
  EXPECT_EQ(counts.DropSummary(),
            "3 spans dropped: 2 zero_trace_id, 1 malformed_span");
}

}  // namespace
}  // namespace khtrace::telemetry
