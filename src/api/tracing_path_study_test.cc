// SPDX-License-Identifier: Apache-2.0
#include "api/tracing_path_study.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "api/tracing_testing.h"

namespace khtrace::api {
namespace {

using TracingPathStudyTest = TracingFixture;

TEST_F(TracingPathStudyTest, CriticalPathsOfASampleAreToldByBand) {
  StoreShop();
  const auto json = GetJson(
      "/api/tracing/critical-path?operation=POST%20/checkout&bands=50,90"
      "&window=15m");
  const auto sample = json["sample"].value();
  EXPECT_EQ(Number(sample, "traces"), 60);
  EXPECT_EQ(Size(sample, "bands"), 3);
  EXPECT_EQ(Text(At(sample, "bands", 2), "name"), "p90-100");
  EXPECT_EQ(Text(sample["slow_against_fast"].value(), "b"), "p90-100");
  // Own time of the root differs, that of the query does not.
  EXPECT_EQ(Text(At(sample["slow_against_fast"].value(), "operations", 0),
                 "operation"),
            "POST /checkout");
  const auto first = At(sample["what_if"].value(), "operations", 0);
  EXPECT_EQ(Text(first, "operation"), "SELECT items/all");
  EXPECT_EQ(Number(first, "p95_saving_ms"), 28);
  EXPECT_TRUE(sample["comparison"].is_null());
  EXPECT_THAT(
      Get("/api/tracing/critical-path?q={}&format=folded&window=15m").body,
      testing::HasSubstr("p0-50;stock: SELECT items/all 8400000"));
}

TEST_F(TracingPathStudyTest, CriticalPathsOfTwoWindowsAreCompared) {
  StoreShop();
  const auto json =
      GetJson("/api/tracing/critical-path?window=5m&baseline=previous");
  const auto comparison = json["sample"]["comparison"].value();
  EXPECT_EQ(Text(comparison, "by"), "window");
  EXPECT_GT(Number(At(comparison, "sides", 0), "traces"), 20);
  EXPECT_GT(Number(comparison, "difference_ms"), 0);
}

TEST_F(TracingPathStudyTest, BadParametersOfPathSamplesAreNamed) {
  for (const auto& [query, name] :
       std::vector<std::pair<std::string, std::string>>{
           {"bands=95,50", "bands"},
           {"bands=0", "bands"},
           {"bands=50,100", "bands"},
           {"bands=50,,60", "bands"},
           {"what_if_percent=100", "what_if_percent"},
           {"baseline=last", "baseline"},
           {"baseline=previous&baseline_start=1767225600", "baseline"},
           {"baseline_end=1767225600", "baseline_end"},
           {"baseline_start=1767225600&baseline_end=1767225600",
            "baseline_end"},
           {"compare_version=1", "compare_version"},
           {"compare_version=1,1", "compare_version"},
           {"compare_version=1,2&baseline=previous", "compare_version"},
           {"version_service=shop", "version_service"},
           {"max_traces=10001", "max_traces"},
           {"q={", "q"}}) {
    const auto response = Get("/api/tracing/critical-path?" + query);
    EXPECT_EQ(response.status, 400) << query;
    EXPECT_EQ(Text(Json(response), "parameter"), name) << query;
  }
}

}  // namespace
}  // namespace khtrace::api
