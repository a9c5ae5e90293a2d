// SPDX-License-Identifier: Apache-2.0
#include "analysis/rule_judge.h"

#include <gtest/gtest.h>

#include <chrono>

#include "analysis/grade.h"

namespace khtrace::analysis {
namespace {

using aggregate::Trait;
using model::SpanKind;
using std::chrono::milliseconds;
using Subject = query::SpanJudge::Subject;
using Judgement = query::SpanJudge::Judgement;

std::string CategoryOf(const RuleJudge& judge, const Subject& subject) {
  const uint32_t category = judge.Judge(subject).category;
  return category == RuleJudge::kNoCategory ? "" : judge.categories()[category];
}

TEST(RuleJudge, FollowsTheBuiltInRules) {
  const RuleJudge judge(AnalysisOptions::Defaults());
  const auto of = [&](std::string_view name, SpanKind kind, Trait trait) {
    return CategoryOf(judge, {"shop", name, kind, trait});
  };
  EXPECT_EQ(of("session.open", SpanKind::kServer, Trait::kAi), "session");
  EXPECT_EQ(of("memory.get", SpanKind::kInternal, Trait::kNone), "memory");
  EXPECT_EQ(of("llm.call", SpanKind::kClient, Trait::kNone), "ai");
  EXPECT_EQ(of("chat", SpanKind::kServer, Trait::kAi), "ai");
  EXPECT_EQ(of("SELECT", SpanKind::kClient, Trait::kDatabase), "database");
  EXPECT_EQ(of("GET /", SpanKind::kServer, Trait::kMessaging), "api");
  EXPECT_EQ(of("GET /", SpanKind::kClient, Trait::kNone), "");
}

TEST(RuleJudge, GradesAsReportsDo) {
  const AnalysisOptions options = AnalysisOptions::Defaults();
  const RuleJudge judge(options);
  for (size_t c = 0; c < options.categories.size(); ++c) {
    const Targets& targets = options.categories[c].targets;
    const std::string name = options.categories[c].name + ".x";
    if (name != "memory.x" && name != "session.x" && name != "ai.x") continue;
    const Judgement judgement =
        judge.Judge({"", name, SpanKind::kInternal, Trait::kNone});
    ASSERT_EQ(judgement.category, c);
    ASSERT_TRUE(judgement.bands);
    for (const auto band : targets.bands) {
      for (const int64_t nanos : {band.count() - 1, band.count()}) {
        const auto duration = static_cast<uint64_t>(nanos);
        EXPECT_EQ(
            query::kGradeNames[query::GradeOf(duration, *judgement.bands)],
            GradeName(GradeOf(duration, targets)));
      }
    }
  }
}

TEST(RuleJudge, OverrideCountsWithAndWithoutCategory) {
  AnalysisOptions options = AnalysisOptions::Defaults();
  TargetOverride over;
  over.operation = "cron*";
  over.targets.bands = {milliseconds(1), milliseconds(2), milliseconds(3),
                        milliseconds(4)};
  options.overrides.push_back(over);
  const RuleJudge judge(options);
  const Judgement none =
      judge.Judge({"", "cron daily", SpanKind::kInternal, Trait::kNone});
  EXPECT_EQ(none.category, RuleJudge::kNoCategory);
  ASSERT_TRUE(none.bands);
  EXPECT_EQ((*none.bands)[3], 4'000'000u);
  const Judgement api =
      judge.Judge({"", "cron", SpanKind::kServer, Trait::kNone});
  EXPECT_EQ(judge.categories()[api.category], "api");
  EXPECT_EQ(api.bands, none.bands);
  EXPECT_FALSE(judge.Judge({"", "x", SpanKind::kInternal, Trait::kNone}).bands);
}

TEST(RuleJudge, IdentityTellsOptionsApart) {
  const AnalysisOptions options = AnalysisOptions::Defaults();
  const std::string identity = RuleJudge(options).identity();
  EXPECT_EQ(RuleJudge(options).identity(), identity);
  AnalysisOptions band = options;
  band.categories[0].targets.bands[0] += std::chrono::nanoseconds(1);
  EXPECT_NE(RuleJudge(band).identity(), identity);
  AnalysisOptions rule = options;
  rule.rules[0].service = "shop";
  EXPECT_NE(RuleJudge(rule).identity(), identity);
  AnalysisOptions over = options;
  over.overrides.emplace_back();
  EXPECT_NE(RuleJudge(over).identity(), identity);
}

}  // namespace
}  // namespace khtrace::analysis
