// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/tracing_testing.h"

namespace khtrace::api {
namespace {

using TracingHeatmapTest = TracingFixture;

TEST_F(TracingHeatmapTest, EverySpanIsCountedOnceWhereItBelongs) {
  StoreShop();
  const auto json = GetJson("/api/tracing/heatmap?window=10m&bins=10");
  EXPECT_EQ(Number(json, "spans"), 120);
  // 280 to 359 ms: between 2^28 and 2^29 ns.
  ASSERT_EQ(Size(json, "buckets"), 1u);
  const auto bucket = At(json, "buckets", 0);
  EXPECT_NEAR(Number(bucket, "above_ms"), 268.4, 0.1);
  EXPECT_NEAR(Number(bucket, "to_ms"), 536.9, 0.1);
  EXPECT_EQ(Size(bucket, "counts"), Size(json, "times"));
  EXPECT_EQ(Number(json, "step_ms"), 60'000);
  const auto failed =
      GetJson("/api/tracing/heatmap?window=10m&q={status=error}");
  EXPECT_EQ(Number(failed, "spans"), 12);
  EXPECT_EQ(Number(GetJson("/api/tracing/heatmap?q={duration>9s}"), "spans"),
            0);
}

TEST_F(TracingHeatmapTest, BadParametersAreNamed) {
  EXPECT_EQ(Text(Json(Get("/api/tracing/heatmap?q={")), "parameter"), "q");
  EXPECT_EQ(Text(Json(Get("/api/tracing/heatmap?q={}|rate()")), "parameter"),
            "q");
  EXPECT_EQ(Text(Json(Get("/api/tracing/heatmap?bins=1")), "parameter"),
            "bins");
}

TEST_F(TracingHeatmapTest, DeploymentsAreTold) {
  std::vector<TestSpan> spans;
  for (uint64_t i = 0; i < 60; ++i) {
    spans.push_back(
        {.trace = {3, i + 1},
         .start = kTestEpoch + i * 9 * kSecond,
         .resource = {{"service.version",
                       model::AttrValue::String(i < 40 ? "1.0" : "1.1")}}});
  }
  Store(spans);
  const auto json = GetJson("/api/tracing/changes?window=9m");
  ASSERT_EQ(Size(json, "changes"), 1u);
  EXPECT_EQ(Text(At(json, "changes", 0), "version"), "1.1");
  EXPECT_EQ(Text(At(json, "changes", 0), "first_seen"), "2026-01-01T00:06:00Z");
  EXPECT_THAT(Text(GetJson("/api/tracing/changes?window=2m"), "hint"),
              testing::HasSubstr("did not have before"));
}

}  // namespace
}  // namespace khtrace::api
