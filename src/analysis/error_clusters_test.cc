// SPDX-License-Identifier: Apache-2.0
#include "analysis/error_clusters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "analysis/analyzer.h"
#include "analysis/testing.h"
#include "storage/memory/memory_store.h"

namespace khtrace::analysis {
namespace {

using testing::HasSubstr;

struct Failing {
  std::string version = "1";
  std::string host = "a";
  std::string type;     // of an exception; "": none
  std::string message;  // with it, else of the status
  std::string stack;
  bool failed = false;
};

class ErrorClustersTest : public testing::Test {
 protected:
  void Store(const Failing& what, uint64_t second) {
    using model::AttrValue;
    model::SpanBatchBuilder builder;
    builder.AddResource();
    builder.AddResourceAttribute("service.name", AttrValue::String("shop"));
    builder.AddResourceAttribute("service.version",
                                 AttrValue::String(what.version));
    builder.AddResourceAttribute("host.name", AttrValue::String(what.host));
    builder.AddScope("", "");
    model::SpanBatchBuilder::SpanFields fields;
    fields.trace_id = {9, ++traces_};
    fields.span_id = {traces_};
    fields.start = {kEpoch + second * kSecond + traces_ * kMs};
    fields.end = {fields.start.ns + 10 * kMs};
    fields.name = "GET /";
    if (what.failed) fields.status = model::StatusCode::kError;
    if (what.type.empty()) fields.status_message = what.message;
    builder.AddSpan(fields);
    if (!what.type.empty()) {
      builder.AddEvent(fields.start, "exception");
      builder.AddEventAttribute("exception.type", AttrValue::String(what.type));
      builder.AddEventAttribute("exception.message",
                                AttrValue::String(what.message));
      if (!what.stack.empty()) {
        builder.AddEventAttribute("exception.stacktrace",
                                  AttrValue::String(what.stack));
      }
    }
    store_.Write(context_,
                 std::make_shared<const model::SpanBatch>(builder.Build()),
                 [](Status status) { ASSERT_TRUE(status); });
  }

  std::vector<ErrorPattern> Patterns() {
    auto patterns = analyzer_.Errors(context_, hour_);
    EXPECT_TRUE(patterns);
    return patterns ? **patterns : std::vector<ErrorPattern>();
  }
  ErrorClusters Clusters(const ErrorPattern& pattern,
                         size_t max_traces = 2000) {
    ErrorClusterRequest request;
    request.pattern = &pattern;
    request.window = hour_;
    request.max_traces = max_traces;
    auto clusters = ClusterErrors(store_, context_, request);
    EXPECT_TRUE(clusters) << clusters.error().message;
    return clusters ? *std::move(clusters) : ErrorClusters();
  }
  static std::string StandingOut(const ErrorClusters& clusters) {
    std::string text;
    for (const ClusterValue& value : clusters.values) {
      if (value.stands_out) text += value.dimension + "=" + value.value + " ";
    }
    return text;
  }

  const Window hour_{{kEpoch}, {kEpoch + 3600 * kSecond}};
  storage::memory::MemoryStore store_;
  FakeClock clock_{UnixNanos{kEpoch + 3600 * kSecond}};
  Analyzer analyzer_{store_, clock_, AnalysisOptions::Defaults(), nullptr};
  RequestContext context_;
  uint64_t traces_ = 0;
};

TEST_F(ErrorClustersTest, VersionThatFailsStandsOutAndHostsDoNot) {
  std::mt19937_64 random(1);
  for (uint64_t i = 0; i < 600; ++i) {
    Failing request;
    request.version = i % 3 == 0 ? "2" : "1";
    request.host = random() % 2 == 0 ? "a" : "b";
    if (request.version == "2" && random() % 3 == 0) {
      request.failed = true;
      request.type = "TimeoutError";
      request.message = "no answer in " + std::to_string(i) + " ms";
    }
    Store(request, i * 6);
  }
  const auto patterns = Patterns();
  ASSERT_EQ(patterns.size(), 1u);
  const ErrorClusters clusters = Clusters(patterns[0]);
  EXPECT_EQ(clusters.errors, patterns[0].count);
  EXPECT_EQ(clusters.errors + clusters.others, 600u);
  EXPECT_TRUE(clusters.complete);
  EXPECT_EQ(StandingOut(clusters), "service.version=2 ");
  EXPECT_EQ(clusters.values[0].service, "shop");
  EXPECT_DOUBLE_EQ(clusters.values[0].error_share, 1);
  EXPECT_EQ(clusters.time.shape, TimeShape::kSteady);
}

TEST_F(ErrorClustersTest, HostAndBurstAreTold) {
  std::mt19937_64 random(2);
  for (uint64_t i = 0; i < 600; ++i) {
    Failing request;
    request.host = random() % 4 == 0 ? "bad" : "good";
    const uint64_t second = i * 6;
    if (request.host == "bad" && second > 1800 && second < 2400) {
      request.failed = true;
      request.message = "disk full";
    }
    Store(request, second);
  }
  const auto patterns = Patterns();
  ASSERT_EQ(patterns.size(), 1u);
  const ErrorClusters clusters = Clusters(patterns[0]);
  EXPECT_EQ(clusters.errors, patterns[0].count);
  EXPECT_EQ(StandingOut(clusters), "host.name=bad ");
  EXPECT_EQ(clusters.time.shape, TimeShape::kBurst);
  EXPECT_NEAR(
      static_cast<double>(clusters.time.densest.start.ns - kEpoch) / 1e9, 1800,
      100);
}

TEST_F(ErrorClustersTest, NothingStandsOutWhereNothingWasPlanted) {
  std::mt19937_64 random(3);
  int told = 0;
  for (int run = 0; run < 20; ++run) {
    for (uint64_t i = 0; i < 200; ++i) {
      Failing request;
      request.version = std::to_string(random() % 3);
      request.host = std::to_string(random() % 5);
      request.failed = random() % 4 == 0;
      if (request.failed)
        request.message =
            "error of run " + std::string(1, static_cast<char>('A' + run));
      Store(request, i * 18);
    }
    for (const ErrorPattern& pattern : Patterns()) {
      if (!pattern.message.ends_with(static_cast<char>('A' + run))) continue;
      told += StandingOut(Clusters(pattern)).empty() ? 0 : 1;
    }
  }
  EXPECT_LE(told, 1);
}

// Patterns are found again as they were counted, whatever is in their texts.
TEST_F(ErrorClustersTest, QueryFindsTheSpansThatThePatternCounts) {
  const std::string java =
      "java.lang.IllegalStateException: x\n"
      "\tat shop.Cart.total(Cart.java:41)\n"
      "\tat shop.Page.show(Page.java:7)\n";
  const std::vector<Failing> kinds = {
      {.type = "E", .message = "user 'bob' not in \"eu-1\" (a+b)", .stack = {}},
      {.type = "E", .message = "  order\n 17 gone: [x] \\ ^$", .stack = {}},
      {.type = "E", .message = "object deadbeef01 at 0x7fff12 *", .stack = {}},
      {.type = "E", .message = "", .stack = java},
      {.type = "F", .message = std::string(400, 'x'), .stack = {}},
      {.type = "",
       .message = "timeout after 5000ms",
       .stack = {},
       .failed = true},
      {.type = "", .message = "", .stack = {}, .failed = true},
      {.type = "G", .message = "grün 5", .stack = {}, .failed = true},
  };
  for (uint64_t i = 0; i < 80; ++i) Store(kinds[i % kinds.size()], i);
  const auto patterns = Patterns();
  ASSERT_EQ(patterns.size(), kinds.size());
  for (const ErrorPattern& pattern : patterns) {
    EXPECT_EQ(Clusters(pattern).errors, 10u) << QueryOfPattern(pattern);
  }
}

TEST_F(ErrorClustersTest, OlderTracesAreLeftOutAndThatIsSaid) {
  for (uint64_t i = 0; i < 60; ++i) {
    Store({.type = "E", .message = "x", .stack = {}}, i * 60);
  }
  const ErrorClusters clusters = Clusters(Patterns()[0], 20);
  EXPECT_FALSE(clusters.complete);
  EXPECT_EQ(clusters.errors, 20u);
  EXPECT_EQ(clusters.looked_at.start.ns, kEpoch + 2400 * kSecond + 41 * kMs);
}

}  // namespace
}  // namespace khtrace::analysis
