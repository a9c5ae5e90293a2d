// SPDX-License-Identifier: Apache-2.0
#include "analysis/recommendation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "aggregate/partial_builder.h"
#include "analysis/bottleneck.h"
#include "analysis/testing.h"

namespace khtrace::analysis {
namespace {

using model::SpanKind;
using testing::Contains;
using testing::IsEmpty;

constexpr Window kWindow{{kEpoch}, {kEpoch + 600 * kSecond}};

// Builds a trace span by span.
class Trace {
 public:
  explicit Trace(uint64_t seed) : random_(seed) {}

  TestSpan& Add(uint64_t parent, double start_ms, double ms,
                std::string service, std::string name, SpanKind kind) {
    TestSpan span;
    span.id = spans_.size() + 1;
    span.parent = parent;
    span.start_ms = start_ms;
    span.duration_ms = ms;
    span.service = std::move(service);
    span.name = std::move(name);
    span.kind = kind;
    spans_.push_back(std::move(span));
    return spans_.back();
  }
  // A query of the table below `parent`.
  TestSpan& Query(uint64_t parent, double start_ms, double ms,
                  std::string text) {
    TestSpan& span =
        Add(parent, start_ms, ms, "shop", "SELECT items", SpanKind::kClient);
    span.texts = {{"db.system.name", "postgresql"},
                  {"db.query.text", std::move(text)}};
    return span;
  }
  // Between 90 % and 110 % of `ms`.
  double About(double ms) {
    return ms * (0.9 + static_cast<double>(random_() % 1000) / 5000);
  }
  bool Chance(uint64_t percent) { return random_() % 100 < percent; }
  std::vector<TestSpan>& spans() { return spans_; }

 private:
  std::mt19937_64 random_;
  std::vector<TestSpan> spans_;
};

// A healthy service: pages with a query and a call, each within its target.
void PlayHealthy(Trace& t, std::string_view name) {
  const double query = t.About(8);
  const double call = t.About(20);
  t.Add(0, 0, query + call + 12, "shop", std::string(name), SpanKind::kServer);
  t.Query(1, 2, query, "SELECT * FROM items WHERE id = 17");
  t.Add(1, 5 + query, call, "shop", "GET /price", SpanKind::kClient);
  t.Add(3, 7 + query, call - 4, "price", "GET /price", SpanKind::kServer);
}

using Play = std::function<void(Trace&)>;

struct Scenario {
  RecommendationType type;
  Play play;  // makes a trace whose root is shop's "GET /planted"
};

TestSpan& Root(Trace& t, double ms) {
  return t.Add(0, 0, ms, "shop", "GET /planted", SpanKind::kServer);
}

std::vector<Scenario> Scenarios() {
  return {
      {RecommendationType::kNPlusOne,
       [](Trace& t) {
         Root(t, 520);
         for (int i = 0; i < 24; ++i) {
           t.Query(1, 5 + 21.0 * i, t.About(18),
                   "SELECT * FROM items WHERE id = " + std::to_string(i));
         }
       }},
      {RecommendationType::kSequentialCalls,
       [](Trace& t) {
         Root(t, 620);
         t.Add(1, 5, 190, "shop", "GET /price", SpanKind::kClient);
         t.Add(1, 200, 195, "shop", "GET /stock", SpanKind::kClient);
         t.Add(1, 400, 200, "shop", "GET /review", SpanKind::kClient);
       }},
      {RecommendationType::kRetryStorm,
       [](Trace& t) {
         Root(t, 900);
         for (int i = 0; i < 4; ++i) {
           TestSpan& call = t.Add(1, 5 + 220.0 * i, t.About(150), "shop",
                                  "POST /charge", SpanKind::kClient);
           call.failed = i < 3;
           call.texts = {{"server.address", "pay.example"}};
         }
       }},
      {RecommendationType::kPoolWait,
       [](Trace& t) {
         Root(t, 420);
         t.Add(1, 5, t.About(360), "shop", "pool.acquire", SpanKind::kInternal);
         t.Query(1, 402, 8, "SELECT * FROM items WHERE id = 1");
       }},
      {RecommendationType::kCacheMisses,
       [](Trace& t) {
         const bool hit = t.Chance(15);
         Root(t, hit ? 12 : 450);
         TestSpan& get =
             t.Add(1, 2, 2, "shop", "cache get", SpanKind::kInternal);
         get.flags = {{"cache.hit", hit}};
         if (!hit) {
           t.Add(1, 6, t.About(200), "shop", "render", SpanKind::kInternal);
         }
       }},
      {RecommendationType::kOversizedPayload,
       [](Trace& t) {
         Root(t, 500);
         TestSpan& call = t.Add(1, 5, t.About(440), "shop", "GET /export",
                                SpanKind::kClient);
         call.numbers = {{"http.response.body.size", 24.0 * (1 << 20)}};
       }},
      {RecommendationType::kSlowDependency,
       [](Trace& t) {
         const double ms = t.About(450);
         Root(t, ms + 20);
         t.Add(1, 5, ms, "shop", "POST /rerank", SpanKind::kClient);
         t.Add(2, 8, ms - 6, "ranker", "POST /rerank", SpanKind::kServer);
       }},
      {RecommendationType::kUnindexedQuery,
       [](Trace& t) {
         const double ms = t.About(450);
         Root(t, ms + 20);
         TestSpan& query =
             t.Query(1, 5, ms, "SELECT * FROM items WHERE title = 'x'");
         query.numbers = {{"db.rows_examined", 4e6},
                          {"db.response.returned_rows", 3}};
       }},
      {RecommendationType::kUnbatchedEmbeddings,
       [](Trace& t) {
         Root(t, 900);
         for (int i = 0; i < 12; ++i) {
           TestSpan& embed = t.Add(1, 5 + 72.0 * i, t.About(62), "shop",
                                   "embeddings", SpanKind::kClient);
           embed.texts = {{"gen_ai.operation.name", "embeddings"}};
         }
       }},
      {RecommendationType::kModelTooLarge,
       [](Trace& t) {
         const double ms = t.About(6'000);
         Root(t, ms + 30);
         TestSpan& chat =
             t.Add(1, 10, ms, "shop", "chat large-70b", SpanKind::kClient);
         chat.texts = {{"gen_ai.request.model", "large-70b"}};
         chat.numbers = {{"gen_ai.usage.output_tokens", 120}};
         // The request itself, as the HTTP client sees it.
         TestSpan& post =
             t.Add(2, 12, ms - 4, "shop", "POST", SpanKind::kClient);
         post.texts = {{"server.address", "api.example"}};
       }},
      {RecommendationType::kSlowOperation,
       [](Trace& t) { Root(t, t.About(600)); }},
  };
}

struct Played {
  std::vector<model::SpanBatchPtr> traces;
  std::vector<OperationReport> operations;
};

Played PlayAll(uint64_t seed, const Play* planted) {
  Played played;
  uint64_t id = 0;
  for (uint64_t i = 0; i < 60; ++i) {
    for (const char* name : {"GET /", "GET /cart", "POST /order"}) {
      Trace t(seed * 1'000 + ++id);
      PlayHealthy(t, name);
      played.traces.push_back(TraceOf(t.spans(), id));
    }
    if (planted == nullptr) continue;
    Trace t(seed * 1'000 + ++id);
    (*planted)(t);
    played.traces.push_back(TraceOf(t.spans(), id));
  }
  const aggregate::Partial partial = aggregate::AggregateBatches(played.traces);
  const AnalysisOptions options = AnalysisOptions::Defaults();
  ReportInput input;
  input.current = &partial;
  input.window = kWindow;
  input.options = &options;
  played.operations = ReportOperations(input);
  return played;
}

std::vector<model::SpanBatchPtr> ExamplesOf(const Played& played,
                                            const OperationReport& operation) {
  std::vector<model::SpanBatchPtr> traces;
  for (const auto& examples : {operation.slowest, operation.typical}) {
    for (const Example& example : examples) {
      traces.push_back(played.traces[example.trace_id.low - 1]);
    }
  }
  return traces;
}

TEST(Recommendations, NameThePlantedCauseOfTheBottleneckThatRanksFirst) {
  for (const Scenario& scenario : Scenarios()) {
    for (uint64_t seed = 1; seed <= RunsOf(100); ++seed) {
      const Played played = PlayAll(seed, &scenario.play);
      BottleneckRequest request;
      request.service = "shop";
      request.category = "api";
      const auto list =
          SelectBottlenecks(played.operations, kWindow, request).bottlenecks;
      ASSERT_FALSE(list.empty()) << RecommendationName(scenario.type);
      const OperationReport& first = list[0].operation;
      ASSERT_EQ(first.operation, "GET /planted");
      const auto all = Recommend(first, ExamplesOf(played, first));
      ASSERT_FALSE(all.empty()) << RecommendationName(scenario.type);
      ASSERT_EQ(RecommendationName(all[0].type),
                RecommendationName(scenario.type))
          << "seed " << seed << ": " << all[0].text;
      EXPECT_FALSE(all[0].evidence.traces.empty());
      EXPECT_LE(all[0].evidence.traces.size(), 3u);
      EXPECT_FALSE(all[0].evidence.facts.empty());
      EXPECT_GT(all[0].saving_nanos, 0);
      EXPECT_LE(all[0].saving_nanos, first.p99 * 1.02);
      EXPECT_GT(all[0].confidence, 0.3);
      EXPECT_LE(all[0].confidence, 1);
    }
  }
}

TEST(Recommendations, AreNotGivenWhereNothingWasPlanted) {
  for (uint64_t seed = 1; seed <= RunsOf(100); ++seed) {
    const Played played = PlayAll(seed, nullptr);
    EXPECT_EQ(SelectBottlenecks(played.operations, kWindow, {}).total, 0u);
    for (const OperationReport& operation : played.operations) {
      EXPECT_THAT(Recommend(operation, ExamplesOf(played, operation)),
                  IsEmpty());
    }
  }
}

TEST(Recommendations, NameTheVersionThatIsSlower) {
  std::vector<model::SpanBatchPtr> traces;
  OperationReport report;
  report.service = "shop";
  report.operation = "GET /";
  report.targets = AnalysisOptions::Defaults().categories.back().targets;
  report.over_target = 1;
  for (uint64_t i = 0; i < 8; ++i) {
    TestSpan span;
    span.name = "GET /";
    span.version = i < 4 ? "1.4" : "1.5";
    span.duration_ms = i < 4 ? 100 : 400;
    traces.push_back(TraceOf({span}, i + 1, kEpoch + i * kSecond));
  }
  std::vector<std::string_view> types;
  for (const Recommendation& r : Recommend(report, traces)) {
    types.push_back(RecommendationName(r.type));
  }
  EXPECT_THAT(types, Contains("version_regression"));
}

TEST(Recommendations, NeedExamples) {
  OperationReport report;
  report.targets = AnalysisOptions::Defaults().categories.back().targets;
  report.over_target = 1;
  EXPECT_THAT(Recommend(report, {}), IsEmpty());
}

}  // namespace
}  // namespace khtrace::analysis
