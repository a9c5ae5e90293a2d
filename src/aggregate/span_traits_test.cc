// SPDX-License-Identifier: Apache-2.0
#include "aggregate/span_traits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace khtrace::aggregate {
namespace {

TEST(TraitOfKey, GoesByTheConventions) {
  EXPECT_EQ(TraitOfKey("gen_ai.request.model"), Trait::kAi);
  EXPECT_EQ(TraitOfKey("ai.model"), Trait::kAi);
  EXPECT_EQ(TraitOfKey("llm.tokens"), Trait::kAi);
  EXPECT_EQ(TraitOfKey("db.system.name"), Trait::kDatabase);
  EXPECT_EQ(TraitOfKey("db.system"), Trait::kDatabase);
  EXPECT_EQ(TraitOfKey("db.query.text"), Trait::kNone);
  EXPECT_EQ(TraitOfKey("messaging.system"), Trait::kMessaging);
  EXPECT_EQ(TraitOfKey("ai"), Trait::kNone);
  EXPECT_EQ(TraitOfKey("air.speed"), Trait::kNone);
  EXPECT_EQ(TraitOfKey(""), Trait::kNone);
}

TEST(SamplingProbability, ReadsTheThreshold) {
  EXPECT_EQ(SamplingProbability("ot=th:0"), 1.0);
  EXPECT_EQ(SamplingProbability("ot=th:8"), 0.5);
  EXPECT_EQ(SamplingProbability("ot=th:c"), 0.25);
  EXPECT_EQ(SamplingProbability("vendor=1, ot=rv:123;th:c ,x=y"), 0.25);
  EXPECT_NEAR(*SamplingProbability("ot=th:fd70a4"), 0.01, 1e-6);
  EXPECT_EQ(SamplingProbability("ot=th:ffffffffffffff"), std::ldexp(1, -56));
}

TEST(SamplingProbability, ReadsThePower) {
  EXPECT_EQ(SamplingProbability("ot=p:3;r:5"), 0.125);
  EXPECT_EQ(SamplingProbability("ot=p:0"), 1.0);
  EXPECT_EQ(SamplingProbability("ot=p:63"), std::nullopt);
}

TEST(SamplingProbability, SaysNothingOfWhatItCannotRead) {
  for (const char* text :
       {"", "ot", "ot=", "ot=th", "ot=th:", "ot=th:g", "ot=th:fffffffffffffff",
        "xot=th:8", "ot=xth:8", "ot=p:x", "ot=p:-1", "=,;:", "ot=th:8 8"}) {
    EXPECT_EQ(SamplingProbability(text), std::nullopt) << text;
  }
}

TEST(Unsampled, IsWhatASpanStandsForBesideItself) {
  EXPECT_EQ(UnsampledOf(1), 0u);
  EXPECT_EQ(UnsampledOf(0.5), kSampleUnit);
  EXPECT_EQ(UnsampledOf(0.1), 9 * kSampleUnit);
  EXPECT_EQ(UnsampledOf(1e-12), 999'999 * kSampleUnit);
  for (const double bad : {0.0, -1.0, 2.0, std::nan(""),
                           std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(UnsampledOf(bad), 0u) << bad;
  }
}

TEST(Slowest, IsTheLongestThenTheLeastId) {
  const Slowest none;
  const Slowest zero{0, {1, 1}};
  const Slowest ten{10, {1, 2}};
  const Slowest other_ten{10, {1, 1}};
  EXPECT_TRUE(zero.Before(none));
  EXPECT_FALSE(none.Before(zero));
  EXPECT_FALSE(none.Before(none));
  EXPECT_TRUE(ten.Before(zero));
  EXPECT_TRUE(other_ten.Before(ten));
  EXPECT_FALSE(ten.Before(other_ten));
}

TEST(Sampled, DoesNotDependOnTheOrderOfComing) {
  Sampled forwards;
  Sampled backwards;
  for (uint64_t i = 1; i < 100; ++i) {
    const Sampled a{i, {0, i}};
    const Sampled b{100 - i, {0, 100 - i}};
    if (a.Before(forwards)) forwards = a;
    if (b.Before(backwards)) backwards = b;
  }
  EXPECT_EQ(forwards, backwards);
  EXPECT_FALSE(forwards.empty());
}

}  // namespace
}  // namespace khtrace::aggregate
