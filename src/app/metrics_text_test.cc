// SPDX-License-Identifier: Apache-2.0
#include "app/metrics_text.h"

#include <gtest/gtest.h>

namespace khtrace::app {
namespace {

TEST(MetricsText, ReadsSamplesWithAndWithoutLabels) {
  const auto samples = ParseMetricsText(
      "# HELP a Something\n"
      "# TYPE a counter\n"
      "a_total{transport=\"grpc\",note=\"x\\\"y\\\\\"} 3\n"
      "a_total{transport=\"http\"} 4 1767225600000\n"
      "b 1.5e3\n");
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[0].labels.at("note"), "x\"y\\");
  EXPECT_EQ(SumOf(samples, "a_total"), 7);
  EXPECT_EQ(SumOf(samples, "a"), 7);
  EXPECT_EQ(SumOf(samples, "a", "transport", "http"), 4);
  EXPECT_EQ(SumOf(samples, "b"), 1500);
  EXPECT_EQ(SumOf(samples, "c"), 0);
}

TEST(MetricsText, LeavesOutLinesThatMakeNoSense) {
  EXPECT_TRUE(
      ParseMetricsText("a{\na{b\na{b=\na{b=\"\\\na b\n{} 1\n\n").empty());
}

}  // namespace
}  // namespace khtrace::app
