// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/tracing_testing.h"

namespace khtrace::api {
namespace {

using TracingExplainTest = TracingFixture;

TEST_F(TracingExplainTest, WhatIsDifferentBelowTheSelectedSpansIsTold) {
  std::vector<TestSpan> spans;
  for (uint64_t i = 0; i < 60; ++i) {
    const bool slow = i % 3 == 0;
    const uint64_t start = kTestEpoch + i * kSecond;
    spans.push_back({.trace = {1, i + 1},
                     .name = "GET /",
                     .start = start,
                     .duration = (slow ? 900u : 50u + i) * 1'000'000});
    const uint64_t queries = slow ? 20 : 1 + i % 2;
    for (uint64_t q = 0; q < queries; ++q) {
      spans.push_back({.service = "stock",
                       .trace = {1, i + 1},
                       .id = 2 + q,
                       .parent = 1,
                       .name = "SELECT",
                       .start = start + q * 40'000'000,
                       .duration = 20'000'000});
    }
  }
  Store(spans);
  const auto json = GetJson(
      "/api/tracing/explain?selection={name=%22GET%20/%22%26%26"
      "duration>500ms}&baseline={name=%22GET%20/%22}&window=15m");
  ASSERT_GE(Size(json, "structure"), 1u);
  // Its own time is longer as well: as surely, but it is not below.
  std::string told;
  for (size_t i = 0; i < Size(json, "structure"); ++i) {
    told += Text(At(json, "structure", i), "text") + "\n";
  }
  EXPECT_THAT(told, testing::HasSubstr(
                        "below shop GET /: stock SELECT 20 times instead of"));
  EXPECT_THAT(Text(json, "summary"), testing::HasSubstr("SELECT 20 times"));
}

}  // namespace
}  // namespace khtrace::api
