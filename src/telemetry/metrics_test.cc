// SPDX-License-Identifier: Apache-2.0
#include "telemetry/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

namespace khtrace::telemetry {
namespace {

TEST(Registry, EmptyRendersNothing) {
  EXPECT_EQ(Registry().RenderPrometheus(), "");
}

TEST(Registry, SameNameAndLabelsIsTheSameCounter) {
  Registry registry;
  Counter& a = registry.AddCounter("c_total", "Help.", {{"x", "1"}});
  Counter& b = registry.AddCounter("c_total", "Help.", {{"x", "1"}});
  Counter& other = registry.AddCounter("c_total", "Help.", {{"x", "2"}});
  EXPECT_EQ(&a, &b);
  EXPECT_NE(&a, &other);
}

TEST(Registry, RendersFamiliesOnceInOrderOfNameAndLabels) {
  Registry registry;
  registry.AddGauge("b_bytes", "Second.").Set(2.5);
  registry.AddCounter("a_total", "First.", {{"x", "2"}}).Add(7);
  registry.AddCounter("a_total", "Ignored.", {{"x", "1"}, {"y", "z"}}).Add();
  EXPECT_EQ(registry.RenderPrometheus(),
            "# HELP a_total First.\n"
            "# TYPE a_total counter\n"
            "a_total{x=\"1\",y=\"z\"} 1\n"
            "a_total{x=\"2\"} 7\n"
            "# HELP b_bytes Second.\n"
            "# TYPE b_bytes gauge\n"
            "b_bytes 2.5\n");
}

TEST(Registry, EscapesHelpAndLabelValues) {
  Registry registry;
  registry.AddCounter("c_total", "a\\b\n\"c\"", {{"x", "a\\b\n\"c\""}});
  EXPECT_EQ(registry.RenderPrometheus(),
            "# HELP c_total a\\\\b\\n\"c\"\n"
            "# TYPE c_total counter\n"
            "c_total{x=\"a\\\\b\\n\\\"c\\\"\"} 0\n");
}

TEST(Registry, RendersHistogramsCumulatively) {
  Registry registry;
  Histogram& h =
      registry.AddHistogram("h_seconds", "H.", {{"x", "1"}}, {0.5, 1});
  h.Observe(0.5);  // a bound is inclusive
  h.Observe(0.75);
  h.Observe(4);
  EXPECT_EQ(registry.RenderPrometheus(),
            "# HELP h_seconds H.\n"
            "# TYPE h_seconds histogram\n"
            "h_seconds_bucket{x=\"1\",le=\"0.5\"} 1\n"
            "h_seconds_bucket{x=\"1\",le=\"1\"} 2\n"
            "h_seconds_bucket{x=\"1\",le=\"+Inf\"} 3\n"
            "h_seconds_sum{x=\"1\"} 5.25\n"
            "h_seconds_count{x=\"1\"} 3\n");
}

TEST(Registry, HistogramWithoutLabelsHasOnlyTheBound) {
  Registry registry;
  registry.AddHistogram("h", "H.", {}, {});
  EXPECT_EQ(registry.RenderPrometheus(),
            "# HELP h H.\n# TYPE h histogram\n"
            "h_bucket{le=\"+Inf\"} 0\nh_sum 0\nh_count 0\n");
}

TEST(Registry, AsksCallbacksWhenRendering) {
  Registry registry;
  double value = 1;
  registry.AddGaugeCallback("g", "G.", {}, [&] { return value; });
  registry.AddCounterCallback("c_total", "C.", {}, [] { return 3e9; });
  value = std::numeric_limits<double>::infinity();
  EXPECT_EQ(registry.RenderPrometheus(),
            "# HELP c_total C.\n# TYPE c_total counter\nc_total 3000000000\n"
            "# HELP g G.\n# TYPE g gauge\ng +Inf\n");
}

TEST(Registry, CallbackMayRegisterMetrics) {
  Registry registry;
  registry.AddGaugeCallback("g", "G.", {}, [&] {
    registry.AddCounter("late_total", "L.");
    return std::nan("");
  });
  EXPECT_EQ(registry.RenderPrometheus(),
            "# HELP g G.\n# TYPE g gauge\ng NaN\n");
}

TEST(RegistryDeathTest, StopsOnMisuse) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Registry registry;
  registry.AddCounter("c_total", "C.");
  EXPECT_DEATH(registry.AddGauge("c_total", "C."), "BUG");
  EXPECT_DEATH(registry.AddCounter("bad-name", "C."), "BUG");
  EXPECT_DEATH(registry.AddCounter("x", "C.", {{"1", ""}}), "BUG");
  EXPECT_DEATH(Histogram({2, 1}), "BUG");
}

TEST(Histogram, IgnoresNaN) {
  Histogram h({1});
  h.Observe(std::nan(""));
  EXPECT_EQ(h.BucketCounts(), (std::vector<uint64_t>{0, 0}));
  EXPECT_EQ(h.sum(), 0);
}

TEST(Gauge, AddsAndSets) {
  Gauge gauge;
  gauge.Set(5);
  gauge.Add(-2);
  EXPECT_EQ(gauge.value(), 3);
}

TEST(Registry, CountsFromManyThreadsWhileRendering) {
  Registry registry;
  Histogram& h = registry.AddHistogram("h", "H.", {}, LatencyBoundsSeconds());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      Counter& counter = registry.AddCounter("c_total", "C.");
      for (int i = 0; i < 1000; ++i) {
        counter.Add();
        h.Observe(1);
      }
    });
  }
  for (int i = 0; i < 20; ++i) (void)registry.RenderPrometheus();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(registry.AddCounter("c_total", "C.").value(), 4000u);
  EXPECT_EQ(h.sum(), 4000);
}

}  // namespace
}  // namespace khtrace::telemetry
