// SPDX-License-Identifier: Apache-2.0
#include "analysis/grade.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace khtrace::analysis {
namespace {

using aggregate::LatencyHistogram;

const Targets& TargetsOf(const AnalysisOptions& options,
                         std::string_view name) {
  const auto category =
      std::find_if(options.categories.begin(), options.categories.end(),
                   [&](const Category& c) { return c.name == name; });
  return category->targets;
}

TEST(GradeOf, BandsAreHalfOpenToTheNanosecondInEachCategory) {
  const AnalysisOptions options = AnalysisOptions::Defaults();
  ASSERT_EQ(options.categories.size(), 5u);
  for (const Category& category : options.categories) {
    uint64_t before = 0;
    for (size_t i = 0; i < 4; ++i) {
      const auto band =
          static_cast<uint64_t>(category.targets.bands[i].count());
      ASSERT_LT(before, band);
      EXPECT_EQ(GradeOf(before, category.targets), static_cast<Grade>(i));
      EXPECT_EQ(GradeOf(band - 1, category.targets), static_cast<Grade>(i));
      EXPECT_EQ(GradeOf(band, category.targets), static_cast<Grade>(i + 1));
      before = band;
    }
    EXPECT_EQ(GradeOf(UINT64_MAX, category.targets), Grade::kF);
  }
}

TEST(GradeOf, DefaultsAreThoseOfTheRequirements) {
  const AnalysisOptions options = AnalysisOptions::Defaults();
  const Targets& memory = TargetsOf(options, "memory");
  EXPECT_EQ(GradeOf(49'999'999, memory), Grade::kA);
  EXPECT_EQ(GradeOf(50'000'000, memory), Grade::kB);
  EXPECT_EQ(GradeOf(500'000'000, memory), Grade::kF);
  EXPECT_EQ(AlertLevelOf(50'000'000, memory), AlertLevel::kOk);
  EXPECT_EQ(AlertLevelOf(50'000'001, memory), AlertLevel::kAlert);
  EXPECT_EQ(AlertLevelOf(100'000'001, memory), AlertLevel::kCritical);
  const Targets& ai = TargetsOf(options, "ai");
  EXPECT_EQ(GradeOf(19'999'999'999, ai), Grade::kD);
  EXPECT_EQ(AlertLevelOf(5'000'000'001, ai), AlertLevel::kAlert);
  const Targets& database = TargetsOf(options, "database");
  EXPECT_EQ(GradeOf(999'999'999, database), Grade::kD);
  EXPECT_EQ(AlertLevelOf(500'000'001, database), AlertLevel::kCritical);
  const Targets& api = TargetsOf(options, "api");
  EXPECT_EQ(GradeOf(199'999'999, api), Grade::kA);
  EXPECT_EQ(AlertLevelOf(1'000'000'001, api), AlertLevel::kAlert);
  EXPECT_EQ(TargetsOf(options, "session").critical, std::chrono::seconds(5));
  EXPECT_TRUE(Validate(options));
}

TEST(CapByErrors, IsCFromOnePercentAndFFromTen) {
  const AnalysisOptions options = AnalysisOptions::Defaults();
  EXPECT_EQ(CapByErrors(Grade::kA, 0.00999, options), Grade::kA);
  EXPECT_EQ(CapByErrors(Grade::kA, 0.01, options), Grade::kC);
  EXPECT_EQ(CapByErrors(Grade::kD, 0.05, options), Grade::kD);
  EXPECT_EQ(CapByErrors(Grade::kA, 0.1, options), Grade::kF);
}

TEST(ParseGrade, TakesLettersOfEitherCaseAndNothingElse) {
  for (const Grade grade :
       {Grade::kA, Grade::kB, Grade::kC, Grade::kD, Grade::kF}) {
    EXPECT_EQ(ParseGrade(GradeName(grade)), grade);
  }
  EXPECT_EQ(ParseGrade("b"), Grade::kB);
  for (const char* text : {"", "E", "AA", "1", "!"}) {
    EXPECT_EQ(ParseGrade(text), std::nullopt) << text;
  }
}

// Log-normal durations, of which the true quantile is known.
class Sampler {
 public:
  explicit Sampler(uint64_t seed) : random_(seed) {}
  LatencyHistogram Draw(size_t count) {
    LatencyHistogram histogram;
    for (size_t i = 0; i < count; ++i) {
      histogram.Add(static_cast<uint64_t>(distribution_(random_)));
    }
    return histogram;
  }
  static double True(double z) { return std::exp(kMu + kSigma * z); }

 private:
  static constexpr double kMu = 17;
  static constexpr double kSigma = 0.8;
  std::mt19937_64 random_;
  std::lognormal_distribution<double> distribution_{kMu, kSigma};
};

TEST(QuantileInterval, CoversTheTruthAsOftenAsItSays) {
  const double p95 = Sampler::True(1.6448536269514722);
  for (const size_t count : {60u, 200u, 1'000u, 5'000u}) {
    Sampler sampler(count);
    int covered = 0;
    constexpr int kRuns = 2'000;
    for (int run = 0; run < kRuns; ++run) {
      const Interval interval = QuantileInterval(sampler.Draw(count), 0.95);
      ASSERT_LE(interval.low, interval.high);
      // Bins are 1 % wide on either side.
      covered += interval.low * 0.99 <= p95 && p95 <= interval.high * 1.01;
    }
    EXPECT_GE(covered, kRuns * 93 / 100) << count;
  }
}

TEST(QuantileInterval, OfNothingAndOfFewIsStillAnInterval) {
  EXPECT_EQ(QuantileInterval({}, 0.95).high, 0);
  Sampler sampler(1);
  for (size_t count = 1; count < 30; ++count) {
    const LatencyHistogram drawn = sampler.Draw(count);
    const Interval interval = QuantileInterval(drawn, 0.95);
    EXPECT_LE(interval.low, drawn.Quantile(0.95));
    EXPECT_GE(interval.high, drawn.Quantile(0.95));
  }
}

TEST(GradeConfidence, IsHowOftenTheGradeIsTheTrueOne) {
  AnalysisOptions options = AnalysisOptions::Defaults();
  Targets targets = options.categories[0].targets;
  // The true p95 lies 5 % below the edge of B and C.
  const double p95 = Sampler::True(1.6448536269514722);
  targets.bands = {std::chrono::nanoseconds(static_cast<int64_t>(p95 / 2)),
                   std::chrono::nanoseconds(static_cast<int64_t>(p95 * 1.05)),
                   std::chrono::nanoseconds(static_cast<int64_t>(p95 * 2)),
                   std::chrono::nanoseconds(static_cast<int64_t>(p95 * 4))};
  Sampler sampler(3);
  double told = 0;
  double right = 0;
  constexpr int kRuns = 2'000;
  for (int run = 0; run < kRuns; ++run) {
    const LatencyHistogram drawn = sampler.Draw(300);
    const Grade grade =
        GradeOf(static_cast<uint64_t>(drawn.Quantile(0.95)), targets);
    const double confidence = GradeConfidence(drawn, grade, targets);
    ASSERT_GE(confidence, 0);
    ASSERT_LE(confidence, 1);
    told += confidence;
    right += grade == Grade::kB;
  }
  EXPECT_NEAR(told / kRuns, right / kRuns, 0.1);
}

TEST(GradeConfidence, AddsUpToOneOverAllGrades) {
  const Targets targets = AnalysisOptions::Defaults().categories[0].targets;
  Sampler sampler(5);
  for (const size_t count : {1u, 20u, 300u, 20'000u}) {
    const LatencyHistogram drawn = sampler.Draw(count);
    double sum = 0;
    for (int grade = 0; grade < 5; ++grade) {
      sum += GradeConfidence(drawn, static_cast<Grade>(grade), targets);
    }
    EXPECT_NEAR(sum, 1, 1e-6) << count;
  }
}

TEST(Validate, NamesWhatIsWrong) {
  const auto message = [](const auto& change) {
    AnalysisOptions options = AnalysisOptions::Defaults();
    change(options);
    const Status status = Validate(options);
    return status ? std::string() : status.error().message;
  };
  using std::chrono::milliseconds;
  EXPECT_EQ(message([](auto& o) {
              o.categories[0].targets.bands[1] = milliseconds(50);
            }),
            "category \"memory\": bands do not ascend: 50 ms after 50 ms");
  EXPECT_EQ(message([](auto& o) {
              o.categories[0].targets.critical = milliseconds(10);
            }),
            "category \"memory\": critical 10 ms is below alert 50 ms");
  EXPECT_EQ(message([](auto& o) { o.rules[0].category = "nope"; }),
            "category rule 1: there is no category \"nope\"");
  EXPECT_EQ(message([](auto& o) {
              o.rules[0] = {{}, {}, {}, {}, "api"};
            }),
            "category rule 1: it has no condition");
  EXPECT_EQ(message([](auto& o) { o.rules[0].kind = "srv"; }),
            "category rule 1: \"srv\" is no span kind (internal, server, "
            "client, producer, consumer)");
  EXPECT_EQ(message([](auto& o) { o.categories.push_back(o.categories[0]); }),
            "category \"memory\" is there twice");
  EXPECT_EQ(message([](auto& o) { o.weights.frequency = -1; }),
            "impact weight -1 is not in 0 … 10");
  EXPECT_EQ(message([](auto& o) { o.error_rate_for_c = 0.5; }),
            "error rates 0.5 (C) and 0.1 (F) are not 0 < C <= F <= 1");
}

}  // namespace
}  // namespace khtrace::analysis
