// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/tracing_testing.h"

namespace khtrace::api {
namespace {

using testing::HasSubstr;

class TracingCompareTest : public TracingFixture {
 protected:
  // Checkouts of trace {2, i}: a query of 20 ms, of 60 ms in the later half.
  void StoreHalves() {
    std::vector<TestSpan> spans;
    for (uint64_t i = 1; i <= 40; ++i) {
      const uint64_t ms = (i > 20 ? 60 : 20) + i % 3;
      const uint64_t start = kTestEpoch + i * kSecond;
      TestSpan root{.trace = {2, i},
                    .name = i > 20 ? "POST /late" : "POST /soon",
                    .start = start,
                    .duration = (ms + 10) * 1'000'000};
      TestSpan query{.service = "stock",
                     .trace = {2, i},
                     .id = 2,
                     .parent = 1,
                     .name = "SELECT",
                     .start = start + 1'000'000,
                     .duration = ms * 1'000'000};
      spans.push_back(root);
      spans.push_back(query);
    }
    Store(spans);
  }
  std::string Problem(std::string_view target, int status) {
    const net::HttpResponse response = Get(target);
    EXPECT_EQ(response.status, status) << response.body;
    return response.body;
  }
};

TEST_F(TracingCompareTest, TwoTracesByTheirIds) {
  StoreHalves();
  const std::string one = model::TraceId{2, 3}.ToHex();
  const std::string other = model::TraceId{2, 6}.ToHex();
  const auto json =
      GetJson("/api/tracing/compare?a=" + one + "&b=" + other + "," + other);
  EXPECT_EQ(Number(json, "difference_ms"), 0);
  EXPECT_EQ(Number(json["a"].value_unsafe(), "traces"), 1);
  EXPECT_EQ(Size(json, "nodes"), 2u);
  EXPECT_THAT(Text(json, "verdict"), HasSubstr("as long as"));
}

TEST_F(TracingCompareTest, TwoSetsByQueries) {
  StoreHalves();
  const auto json = GetJson(
      "/api/tracing/compare?a={name=%22POST%20/soon%22}&b={name=%22POST%20/"
      "late%22}&window=1h");
  EXPECT_NEAR(Number(json, "difference_ms"), 40, 1);
  EXPECT_EQ(Number(json["b"].value_unsafe(), "traces"), 20);
  // Roots of two names are two trees.
  EXPECT_EQ(Size(json, "nodes"), 4u);
  EXPECT_EQ(Number(json, "only_a"), 2);
  EXPECT_THAT(Text(json, "verdict"), HasSubstr("B is 39.9 ms slower"));
}

TEST_F(TracingCompareTest, WhatIsWrongIsNamed) {
  StoreHalves();
  EXPECT_THAT(Problem("/api/tracing/compare?b=1", 400),
              HasSubstr("a: missing"));
  EXPECT_THAT(Problem("/api/tracing/compare?a=xyz&b=1", 400),
              HasSubstr("'xyz' is not 1 to 32 hex digits"));
  EXPECT_THAT(
      Problem("/api/tracing/compare?a=1&b=" + model::TraceId{2, 1}.ToHex(),
              404),
      HasSubstr("no span of trace"));
  EXPECT_THAT(Problem("/api/tracing/compare?a={&b={}", 400),
              HasSubstr("detail"));
}

}  // namespace
}  // namespace khtrace::api
