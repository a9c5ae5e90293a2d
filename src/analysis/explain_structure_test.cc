// SPDX-License-Identifier: Apache-2.0
#include "analysis/explain_structure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <random>

#include "analysis/explain.h"
#include "analysis/testing.h"
#include "analysis/two_samples.h"
#include "storage/memory/memory_store.h"

namespace khtrace::analysis {
namespace {

using testing::HasSubstr;

// Pages that call a few operations: own times vary by a half, one call in ten
// is left out, counts are 1 to 3.
class StructureTest : public testing::Test {
 protected:
  struct Page {
    bool slow = false;
    int queries = 1;
    bool cache = true;
    bool rank = true;
    double rank_ms = 5;
  };

  Page RandomPage() {
    Page page;
    page.queries = 1 + static_cast<int>(random_() % 3);
    page.cache = random_() % 10 != 0;
    page.rank = random_() % 10 != 0;
    page.rank_ms = Vary(5);
    return page;
  }
  double Vary(double ms) {
    return ms * (0.5 + static_cast<double>(random_() % 1000) / 1000);
  }

  void StorePage(const Page& page) {
    std::vector<TestSpan> spans(1);
    spans[0].name = "GET /";
    spans[0].texts = {{"kind", page.slow ? "slow" : "fast"}};
    double at = 1;
    const auto call = [&](uint64_t parent, const char* name, double ms) {
      TestSpan span;
      span.id = spans.size() + 1;
      span.parent = parent;
      span.service = "stock";
      span.name = name;
      span.start_ms = at;
      span.duration_ms = ms;
      at += ms;
      spans.push_back(span);
      return span.id;
    };
    for (int i = 0; i < page.queries; ++i) call(1, "SELECT", Vary(1));
    if (page.cache) {
      const uint64_t cache = call(1, "cache.get", Vary(1));
      call(cache, "GET", Vary(0.5));
    }
    if (page.rank) call(1, "rank", page.rank_ms);
    spans[0].duration_ms = at + Vary(20);
    const uint64_t trace = ++traces_;
    store_->Write(context_, TraceOf(spans, trace, kEpoch + trace * kMs),
                  [](Status status) { ASSERT_TRUE(status); });
  }

  Explanation ExplainSlow() {
    ExplainRequest request;
    request.selection = "{ span.kind = \"slow\" }";
    request.baseline = "{ name = \"GET /\" }";
    request.start = {kEpoch};
    request.end = {kEpoch + 3600 * kSecond};
    auto explanation = Explain(*store_, context_, request);
    EXPECT_TRUE(explanation) << explanation.error().message;
    return explanation ? *std::move(explanation) : Explanation();
  }

  std::mt19937_64 random_{11};
  std::unique_ptr<storage::memory::MemoryStore> store_ =
      std::make_unique<storage::memory::MemoryStore>();
  RequestContext context_;
  uint64_t traces_ = 0;
};

TEST_F(StructureTest, RepeatedCallsAreTold) {
  for (int i = 0; i < 200; ++i) {
    Page page = RandomPage();
    page.slow = i % 4 == 0;
    if (page.slow) page.queries += 20;
    StorePage(page);
  }
  const Explanation explanation = ExplainSlow();
  ASSERT_EQ(explanation.structure.size(), 1u);
  const StructuralDifference& first = explanation.structure[0];
  EXPECT_EQ(first.kind, StructureKind::kRepeated);
  EXPECT_EQ(first.operation, "SELECT");
  EXPECT_EQ(first.parent_operation, "GET /");
  EXPECT_EQ(first.selected_spans, 50u);
  EXPECT_EQ(first.other_spans, 150u);
  EXPECT_DOUBLE_EQ(first.effect, 1);
  EXPECT_GT(first.selected_calls, 20);
  EXPECT_LT(first.other_calls, 3);
  EXPECT_THAT(explanation.summary,
              HasSubstr("below shop GET /: stock SELECT 2"));
}

TEST_F(StructureTest, MissingCallsAreToldWithWhatWasBelowThem) {
  for (int i = 0; i < 200; ++i) {
    Page page = RandomPage();
    page.slow = i % 4 == 0;
    if (page.slow) page.cache = i % 8 == 0 && page.cache;
    StorePage(page);
  }
  const Explanation explanation = ExplainSlow();
  ASSERT_EQ(explanation.structure.size(), 1u);
  const StructuralDifference& first = explanation.structure[0];
  EXPECT_EQ(first.kind, StructureKind::kMissing);
  EXPECT_EQ(first.operation, "cache.get");
  EXPECT_THAT(first.together, testing::ElementsAre("stock GET"));
  EXPECT_LT(first.effect, -0.2);
}

TEST_F(StructureTest, SlowerCallsAndOnesThatAreNewAreTold) {
  for (int i = 0; i < 200; ++i) {
    Page page = RandomPage();
    page.slow = i % 4 == 0;
    if (page.slow) page.rank_ms += 4;
    page.cache = page.slow;
    StorePage(page);
  }
  const Explanation explanation = ExplainSlow();
  ASSERT_EQ(explanation.structure.size(), 2u);
  EXPECT_EQ(explanation.structure[0].kind, StructureKind::kPresent);
  EXPECT_EQ(explanation.structure[0].operation, "cache.get");
  const StructuralDifference& slower = explanation.structure[1];
  EXPECT_EQ(slower.kind, StructureKind::kSlower);
  EXPECT_EQ(slower.operation, "rank");
  EXPECT_NEAR(slower.selected_own_nanos - slower.other_own_nanos, 4e6, 1.5e6);
}

TEST_F(StructureTest, OwnTimeOfTheSpansThemselvesIsCompared) {
  for (int i = 0; i < 60; ++i) {
    TestSpan page;
    page.name = "GET /";
    page.duration_ms = Vary(i % 2 == 0 ? 400 : 40);
    page.texts = {{"kind", i % 2 == 0 ? "slow" : "fast"}};
    const auto trace = static_cast<uint64_t>(i) + 1;
    store_->Write(context_, TraceOf({page}, trace, kEpoch + trace * kMs),
                  [](Status status) { ASSERT_TRUE(status); });
  }
  const Explanation explanation = ExplainSlow();
  ASSERT_EQ(explanation.structure.size(), 1u);
  EXPECT_TRUE(explanation.structure[0].itself);
  EXPECT_EQ(explanation.structure[0].kind, StructureKind::kSlower);
}

TEST_F(StructureTest, NothingIsToldWhereNothingWasPlanted) {
  // 100 stores; the level promises a false finding in at most one of a hundred.
  int told = 0;
  for (int run = 0; run < 100; ++run) {
    store_ = std::make_unique<storage::memory::MemoryStore>();
    for (int i = 0; i < 80; ++i) {
      Page page = RandomPage();
      page.slow = random_() % 3 == 0;
      StorePage(page);
    }
    told += ExplainSlow().structure.empty() ? 0 : 1;
  }
  EXPECT_LE(told, 4);
}

TEST_F(StructureTest, TooFewSpansSayNothing) {
  for (int i = 0; i < 30; ++i) {
    Page page = RandomPage();
    page.slow = i < 4;
    if (page.slow) page.queries += 20;
    StorePage(page);
  }
  EXPECT_TRUE(ExplainSlow().structure.empty());
}

TEST(TwoSamples, RankTestAgreesWithCountingPairs) {
  std::mt19937_64 random(5);
  for (int run = 0; run < 200; ++run) {
    std::vector<double> a(1 + random() % 20);
    std::vector<double> b(1 + random() % 20);
    for (double& value : a) value = static_cast<double>(random() % 6);
    for (double& value : b) value = static_cast<double>(random() % 6);
    double sum = 0;
    for (const double x : a) {
      for (const double y : b) sum += x > y ? 1 : x < y ? -1 : 0;
    }
    EXPECT_NEAR(RankTest(a, b).effect,
                sum / static_cast<double>(a.size() * b.size()), 1e-9);
  }
  EXPECT_EQ(RankTest({}, {1}).p_value, 1);
  EXPECT_EQ(RankTest({1, 1}, {1}).p_value, 1);
}

TEST(TwoSamples, RankTestIsWrongAsOftenAsItSays) {
  std::mt19937_64 random(6);
  int below = 0;
  for (int run = 0; run < 4000; ++run) {
    std::vector<double> a(12);
    std::vector<double> b(30);
    for (double& value : a) value = static_cast<double>(random() % 50);
    for (double& value : b) value = static_cast<double>(random() % 50);
    below += RankTest(a, b).p_value < 0.05 ? 1 : 0;
  }
  EXPECT_NEAR(below / 4000.0, 0.05, 0.015);
}

TEST(TwoSamples, CorrectionIsBenjaminiAndHochbergs) {
  EXPECT_THAT(CorrectForManyTests({0.04, 0.01, 0.03, 0.5}),
              testing::Pointwise(testing::DoubleNear(1e-9),
                                 {0.16 / 3, 0.04, 0.16 / 3, 0.5}));
}

}  // namespace
}  // namespace khtrace::analysis
