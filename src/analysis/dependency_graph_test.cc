// SPDX-License-Identifier: Apache-2.0
#include "analysis/dependency_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "aggregate/partial_builder.h"
#include "analysis/testing.h"

namespace khtrace::analysis {
namespace {

using aggregate::AggregateBatches;
using model::SpanKind;
using testing::HasSubstr;

constexpr Window kWindow{{kEpoch}, {kEpoch + 600 * kSecond}};

TestSpan Span(uint64_t id, uint64_t parent, double start_ms, double ms,
              std::string service, std::string name, SpanKind kind,
              bool failed = false) {
  TestSpan span;
  span.id = id;
  span.parent = parent;
  span.start_ms = start_ms;
  span.duration_ms = ms;
  span.service = std::move(service);
  span.name = std::move(name);
  span.kind = kind;
  span.failed = failed;
  return span;
}

DependencyGraph GraphOf(const std::vector<model::SpanBatchPtr>& traces) {
  return BuildDependencies(AggregateBatches(traces), kWindow, {});
}

const DependencyEdge& Edge(const DependencyGraph& graph, std::string_view from,
                           std::string_view to) {
  const auto edge =
      std::find_if(graph.edges.begin(), graph.edges.end(),
                   [&](const auto& e) { return e.from == from && e.to == to; });
  EXPECT_NE(edge, graph.edges.end()) << from << " " << to;
  return *edge;
}

TEST(Dependencies, ShowServicesDatabasesQueuesAndStrangers) {
  TestSpan sql = Span(3, 2, 20, 30, "cart", "SELECT", SpanKind::kClient);
  sql.texts = {{"db.system.name", "postgresql"}, {"server.address", "db-1"}};
  TestSpan send = Span(4, 2, 60, 5, "cart", "send", SpanKind::kProducer);
  send.texts = {{"messaging.system", "kafka"},
                {"messaging.destination.name", "orders"}};
  TestSpan other = Span(5, 2, 70, 5, "cart", "POST", SpanKind::kClient, true);
  other.texts = {{"server.address", "pay.example"}};
  const DependencyGraph graph =
      GraphOf({TraceOf({Span(1, 0, 0, 110, "web", "call", SpanKind::kClient),
                        Span(2, 1, 10, 100, "cart", "GET", SpanKind::kServer),
                        sql, send, other})});
  const DependencyEdge& call = Edge(graph, "service:web", "service:cart");
  EXPECT_EQ(call.type, "sync");
  EXPECT_EQ(call.calls, 1u);
  EXPECT_DOUBLE_EQ(call.calls_per_min, 0.1);
  EXPECT_NEAR(call.caller_p50, 110e6, 1.1e6);
  EXPECT_NEAR(call.callee_p50, 100e6, 1e6);
  EXPECT_NEAR(call.network_p50, 10e6, 2e6);
  EXPECT_EQ(Edge(graph, "service:cart", "database:postgresql@db-1").type,
            "database");
  EXPECT_EQ(Edge(graph, "service:cart", "queue:kafka@orders").type,
            "messaging");
  const DependencyEdge& failed =
      Edge(graph, "service:cart", "external:pay.example");
  EXPECT_DOUBLE_EQ(failed.error_rate, 1);
  ASSERT_EQ(graph.nodes.size(), 5u);
  EXPECT_EQ(graph.nodes[0].id, "database:postgresql@db-1");
  EXPECT_EQ(graph.nodes[0].calls, 1u);
}

// Calls with a known number of attempts, the waits between them known too.
struct Truth {
  uint64_t calls = 0;
  uint64_t again = 0;
  uint64_t exhausted = 0;
  uint64_t attempts = 0;
};

TEST(Dependencies, RetryPatternsAreWithinAPercentOfTheTruth) {
  std::mt19937_64 random(4);
  std::vector<model::SpanBatchPtr> traces;
  Truth truth;
  for (uint64_t t = 1; t <= 2'000; ++t) {
    std::vector<TestSpan> spans = {
        Span(1, 0, 0, 1'000, "web", "page", SpanKind::kServer)};
    double at = 1;
    uint64_t attempts = 0;
    bool failed = true;
    while (failed && attempts < 4) {
      failed = random() % 3 == 0;
      TestSpan call = Span(2 + attempts, 1, at, 10, "web", "charge",
                           SpanKind::kClient, failed);
      call.texts = {{"server.address", "pay.example"}};
      spans.push_back(call);
      ++attempts;
      at += 10 + 50;  // a wait of 50 ms each time
    }
    ++truth.calls;
    truth.attempts += attempts;
    truth.again += attempts > 1;
    truth.exhausted += attempts > 1 && failed;
    traces.push_back(TraceOf(spans, t));
  }
  const DependencyGraph graph = GraphOf(traces);
  const DependencyEdge& edge =
      Edge(graph, "service:web", "external:pay.example");
  ASSERT_EQ(edge.retries.size(), 1u);
  const RetryPattern& pattern = edge.retries[0];
  const auto near = [](double value, double wanted) {
    EXPECT_NEAR(value, wanted, wanted * 0.01);
  };
  EXPECT_EQ(edge.calls, truth.attempts);
  near(static_cast<double>(pattern.calls), static_cast<double>(truth.again));
  near(static_cast<double>(pattern.exhausted),
       static_cast<double>(truth.exhausted));
  near(static_cast<double>(pattern.retries),
       static_cast<double>(truth.attempts - truth.calls));
  near(edge.amplification,
       static_cast<double>(truth.attempts) / static_cast<double>(truth.calls));
  near(pattern.back_off_p50, 50e6);
  EXPECT_EQ(pattern.shape, BackOff::kFixed);
  EXPECT_EQ(pattern.hedges, 0u);
}

TEST(Dependencies, ShapeOfBackOffIsTold) {
  const auto shape = [](const auto& wait_ms) {
    std::vector<model::SpanBatchPtr> traces;
    for (uint64_t t = 1; t <= 50; ++t) {
      std::vector<TestSpan> spans = {
          Span(1, 0, 0, 9'000, "web", "page", SpanKind::kServer)};
      double at = 1;
      for (uint64_t attempt = 0; attempt < 4; ++attempt) {
        TestSpan call = Span(2 + attempt, 1, at, 10, "web", "charge",
                             SpanKind::kClient, true);
        call.texts = {{"server.address", "x"}};
        spans.push_back(call);
        at += 10 + wait_ms(attempt);
      }
      traces.push_back(TraceOf(spans, t));
    }
    return GraphOf(traces).edges[0].retries[0].shape;
  };
  std::mt19937_64 random(5);
  EXPECT_EQ(shape([](uint64_t) { return 0.0; }), BackOff::kNone);
  EXPECT_EQ(shape([](uint64_t) { return 100.0; }), BackOff::kFixed);
  EXPECT_EQ(
      shape([](uint64_t n) { return 100.0 * static_cast<double>(1 << n); }),
      BackOff::kGrowing);
  EXPECT_EQ(
      shape([&](uint64_t) { return 80 + static_cast<double>(random() % 50); }),
      BackOff::kJittered);
}

TEST(Neighbourhood, IsWhatIsWithinSomeHops) {
  const DependencyGraph graph =
      GraphOf({TraceOf({Span(1, 0, 0, 100, "a", "a", SpanKind::kServer),
                        Span(2, 1, 0, 90, "b", "b", SpanKind::kServer),
                        Span(3, 2, 0, 80, "c", "c", SpanKind::kServer),
                        Span(4, 3, 0, 70, "d", "d", SpanKind::kServer)})});
  EXPECT_EQ(graph.nodes.size(), 4u);
  EXPECT_EQ(Neighbourhood(graph, "b", 0).nodes.size(), 1u);
  EXPECT_EQ(Neighbourhood(graph, "b", 1).nodes.size(), 3u);
  EXPECT_EQ(Neighbourhood(graph, "b", 1).edges.size(), 2u);
  EXPECT_EQ(Neighbourhood(graph, "b", 9).nodes.size(), 4u);
  EXPECT_TRUE(Neighbourhood(graph, "nobody", 9).nodes.empty());
}

TEST(Drawings, QuoteWhateverNamesHold) {
  const DependencyGraph graph =
      GraphOf({TraceOf({Span(1, 0, 0, 100, "a\"]\n\\", "a", SpanKind::kServer),
                        Span(2, 1, 0, 90, "b", "b", SpanKind::kServer)})});
  EXPECT_THAT(ToDot(graph), HasSubstr("label=\"a\\\"] \\\\\""));
  EXPECT_THAT(ToMermaid(graph), HasSubstr("n0[\"a#34;] \\\"]"));
  EXPECT_THAT(ToMermaid(graph), HasSubstr("n0 -->|\"0.1/min\"| n1"));
  EXPECT_EQ(ToMermaid({}), "flowchart LR\n");
}

}  // namespace
}  // namespace khtrace::analysis
