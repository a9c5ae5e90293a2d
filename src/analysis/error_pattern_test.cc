// SPDX-License-Identifier: Apache-2.0
#include "analysis/error_pattern.h"

#include <gtest/gtest.h>

#include "aggregate/partial_builder.h"
#include "analysis/testing.h"

namespace khtrace::analysis {
namespace {

using aggregate::AggregateBatches;
using aggregate::Partial;
using model::SpanKind;

constexpr uint64_t kTen = 600 * kSecond;
constexpr Window kWindow{{kEpoch}, {kEpoch + kTen}};

// A page that fails because the call below it does.
model::SpanBatchPtr Failure(uint64_t id, std::string type, uint64_t at,
                            double ms = 100) {
  TestSpan page;
  page.name = "GET /";
  page.kind = SpanKind::kServer;
  page.service = "web";
  page.failed = true;
  page.duration_ms = ms;
  page.texts = {{"error.type", "502"}};
  TestSpan call;
  call.id = 2;
  call.parent = 1;
  call.name = "POST /rerank";
  call.service = "ranker";
  call.failed = true;
  call.duration_ms = ms / 2;
  call.texts = {{"error.type", std::move(type)}};
  return TraceOf({page, call}, id, at);
}

model::SpanBatchPtr Success(uint64_t id, uint64_t at, double ms) {
  TestSpan page;
  page.name = "POST /rerank";
  page.service = "ranker";
  page.duration_ms = ms;
  return TraceOf({page}, id, at);
}

struct Parts {
  std::vector<model::SpanBatchPtr> window;
  std::vector<model::SpanBatchPtr> previous;
  std::vector<model::SpanBatchPtr> history;
};

std::vector<ErrorPattern> PatternsOf(const Parts& parts) {
  const Partial window = AggregateBatches(parts.window);
  const Partial previous = AggregateBatches(parts.previous);
  const Partial history = AggregateBatches(parts.history);
  ErrorInput input;
  input.window = &window;
  input.previous = &previous;
  input.history = &history;
  input.range = kWindow;
  return FindErrorPatterns(input);
}

const ErrorPattern* Find(const std::vector<ErrorPattern>& patterns,
                         std::string_view type) {
  for (const ErrorPattern& pattern : patterns) {
    if (pattern.type == type) return &pattern;
  }
  return nullptr;
}

TEST(ErrorPatterns, TellWhoFailedFirstAndWhoReported) {
  Parts parts;
  for (uint64_t i = 1; i <= 30; ++i) {
    parts.window.push_back(Failure(i, "timeout", kEpoch + i * kSecond));
  }
  const auto patterns = PatternsOf(parts);
  ASSERT_EQ(patterns.size(), 2u);
  const ErrorPattern* timeout = Find(patterns, "timeout");
  ASSERT_NE(timeout, nullptr);
  EXPECT_EQ(timeout->count, 30u);
  EXPECT_EQ(timeout->failed_spans, 30u);
  EXPECT_DOUBLE_EQ(timeout->per_min, 3);
  EXPECT_DOUBLE_EQ(timeout->share, 0.5);
  EXPECT_EQ(timeout->fingerprint.size(), 16u);
  ASSERT_EQ(timeout->places.size(), 1u);
  EXPECT_EQ(timeout->places[0].service, "ranker");
  EXPECT_EQ(timeout->places[0].origins, 30u);
  EXPECT_EQ(Find(patterns, "502")->places[0].origins, 0u);
  EXPECT_TRUE(timeout->is_new);
  EXPECT_FALSE(timeout->regressed);
  EXPECT_EQ(timeout->first_seen.ns, kEpoch + kSecond);
  EXPECT_EQ(timeout->last_seen.ns, kEpoch + 30 * kSecond);
  EXPECT_EQ(timeout->example.low, 1u);
  EXPECT_EQ(timeout->active_buckets, 1u);
  EXPECT_DOUBLE_EQ(timeout->peak_share, 1);
  ASSERT_EQ(timeout->series.size(), 2u);
  EXPECT_EQ(timeout->series[0], 30u);
}

TEST(ErrorPatterns, AreNewOldOrBackAgain) {
  Parts parts;
  const uint64_t before = kEpoch - kTen / 2;
  const uint64_t long_ago = kEpoch - 10 * kTen;
  parts.window = {Failure(1, "always", kEpoch), Failure(2, "new", kEpoch),
                  Failure(3, "back", kEpoch)};
  parts.previous = {Failure(4, "always", before)};
  parts.history = {Failure(4, "always", before), Failure(5, "back", long_ago)};
  const auto patterns = PatternsOf(parts);
  EXPECT_FALSE(Find(patterns, "always")->is_new);
  EXPECT_FALSE(Find(patterns, "always")->regressed);
  EXPECT_EQ(Find(patterns, "always")->first_seen.ns, before);
  EXPECT_TRUE(Find(patterns, "new")->is_new);
  EXPECT_TRUE(Find(patterns, "back")->regressed);
  EXPECT_EQ(Find(patterns, "back")->first_seen.ns, long_ago);
}

TEST(ErrorPatterns, HaveAnEffectOnLatencyWithItsDirection) {
  for (const double failing_ms : {2'000.0, 4.0}) {
    Parts parts;
    uint64_t id = 0;
    for (uint64_t i = 0; i < 40; ++i) {
      parts.window.push_back(Failure(++id, "timeout", kEpoch, failing_ms));
      parts.window.push_back(Success(++id, kEpoch, 100));
    }
    const auto patterns = PatternsOf(parts);
    const ErrorPattern* timeout = Find(patterns, "timeout");
    ASSERT_TRUE(timeout->has_latency_effect);
    const double truth = (failing_ms / 2 - 100) * 1e6;
    EXPECT_NEAR(timeout->latency_effect, truth, 0.03 * 1e9);
    // Equal durations: the interval is as wide as the histogram's bins.
    EXPECT_NEAR(timeout->latency_effect_interval.low, truth, 0.03 * 1e9);
    EXPECT_NEAR(timeout->latency_effect_interval.high, truth, 0.03 * 1e9);
    EXPECT_EQ(timeout->latency_effect > 0, failing_ms > 200);
  }
}

TEST(ErrorPatterns, OfNothingAreNone) { EXPECT_TRUE(PatternsOf({}).empty()); }

}  // namespace
}  // namespace khtrace::analysis
