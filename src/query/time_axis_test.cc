// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "query/metrics.h"

namespace khtrace::query {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kMinute = 60 * kSecond;
constexpr uint64_t kHour = 60 * kMinute;

MetricsRequest Range(uint64_t start, uint64_t end, uint64_t step) {
  MetricsRequest request;
  request.start = {start};
  request.end = {end};
  request.step_nanos = step;
  return request;
}

std::vector<int64_t> Timestamps(const TimeAxis& axis) {
  std::vector<int64_t> out;
  for (size_t i = 0; i < axis.intervals; ++i)
    out.push_back(axis.TimestampMs(i));
  return out;
}

TEST(TimeAxis, OneIntervalEndsWhereTheRangeStarts) {
  const auto axis =
      TimeAxis::Make(Range(60 * kSecond, 120 * kSecond, 20 * kSecond));
  ASSERT_TRUE(axis);
  EXPECT_EQ(Timestamps(*axis),
            (std::vector<int64_t>{60'000, 80'000, 100'000, 120'000}));
  EXPECT_EQ(axis->Seconds(), 20);
}

TEST(TimeAxis, IntervalsHoldTheirEndAndNotTheirStart) {
  const auto axis =
      TimeAxis::Make(Range(60 * kSecond, 120 * kSecond, 20 * kSecond));
  ASSERT_TRUE(axis);
  EXPECT_EQ(axis->IndexOf(40 * kSecond), TimeAxis::kOutside);
  EXPECT_EQ(axis->IndexOf(40 * kSecond + 1), 0u);
  EXPECT_EQ(axis->IndexOf(60 * kSecond), 0u);
  EXPECT_EQ(axis->IndexOf(60 * kSecond + 1), 1u);
  EXPECT_EQ(axis->IndexOf(120 * kSecond), 3u);
  EXPECT_EQ(axis->IndexOf(120 * kSecond + 1), TimeAxis::kOutside);
}

TEST(TimeAxis, AlignsStartAndEndToTheStep) {
  const auto axis =
      TimeAxis::Make(Range(65 * kSecond, 115 * kSecond, 20 * kSecond));
  ASSERT_TRUE(axis);
  EXPECT_EQ(Timestamps(*axis),
            (std::vector<int64_t>{60'000, 80'000, 100'000, 120'000}));
}

TEST(TimeAxis, RangeFrom1970BeginsBeforeIt) {
  const auto axis = TimeAxis::Make(Range(0, 60 * kSecond, 20 * kSecond));
  ASSERT_TRUE(axis);
  EXPECT_EQ(Timestamps(*axis),
            (std::vector<int64_t>{0, 20'000, 40'000, 60'000}));
  EXPECT_EQ(axis->IndexOf(0), 0u);
  EXPECT_EQ(axis->IndexOf(1), 1u);
  EXPECT_EQ(axis->IndexOf(60 * kSecond), 3u);
  EXPECT_EQ(axis->IndexOf(UINT64_MAX), TimeAxis::kOutside);
}

TEST(TimeAxis, InstantIsOneIntervalOffTheStep) {
  MetricsRequest request = Range(61 * kSecond, 95 * kSecond, 20 * kSecond);
  request.instant = true;
  const auto axis = TimeAxis::Make(request);
  ASSERT_TRUE(axis);
  EXPECT_EQ(Timestamps(*axis), std::vector<int64_t>{95'000});
  EXPECT_EQ(axis->IndexOf(61 * kSecond), TimeAxis::kOutside);
  EXPECT_EQ(axis->IndexOf(61 * kSecond + 1), 0u);
  EXPECT_EQ(axis->IndexOf(95 * kSecond), 0u);
  EXPECT_EQ(axis->Seconds(), 34);
}

TEST(TimeAxis, DefaultStepIsARoundPartOfTheRange) {
  EXPECT_EQ(TimeAxis::DefaultStep(kSecond), 50 * kMs);
  EXPECT_EQ(TimeAxis::DefaultStep(59 * kSecond), 200 * kMs);
  EXPECT_EQ(TimeAxis::DefaultStep(kMinute), kSecond);
  EXPECT_EQ(TimeAxis::DefaultStep(10 * kMinute), 2 * kSecond);
  EXPECT_EQ(TimeAxis::DefaultStep(kHour), 15 * kSecond);
  EXPECT_EQ(TimeAxis::DefaultStep(6 * kHour), kMinute);
  EXPECT_EQ(TimeAxis::DefaultStep(24 * kHour), 5 * kMinute);
  EXPECT_EQ(TimeAxis::DefaultStep(168 * kHour), 40 * kMinute);
  EXPECT_EQ(TimeAxis::DefaultStep(800 * kHour), 3 * kHour);
}

TEST(TimeAxis, RefusesTooManyIntervalsAndNamesTheLeastStep) {
  const auto axis = TimeAxis::Make(Range(kHour, 25 * kHour, kSecond));
  ASSERT_FALSE(axis);
  EXPECT_EQ(axis.error().code, Code::kInvalidArgument);
  EXPECT_EQ(axis.error().message,
            "step of 1s is too small, minimum step for given range is 8.64s");
  EXPECT_TRUE(TimeAxis::Make(Range(kHour, 25 * kHour, 8640 * kMs)));
}

TEST(TimeAxis, RefusesRangesWithoutTime) {
  EXPECT_FALSE(TimeAxis::Make(Range(5, 5, 1)));
  EXPECT_FALSE(TimeAxis::Make(Range(6, 5, 1)));
  EXPECT_FALSE(TimeAxis::Make(Range(0, UINT64_MAX, uint64_t{1} << 63)));
}

}  // namespace
}  // namespace khtrace::query
