// SPDX-License-Identifier: Apache-2.0
// Bounds between tenants, of what is kept, and of what a clock may do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "alerting/engine.h"
#include "alerting/engine_testing.h"

namespace khtrace::alerting {
namespace {

using std::chrono::minutes;
using testing::HasSubstr;

class EngineBounds : public EngineTest {};

TEST_F(EngineBounds, TwentyAlertsOfARoundAreDescribed) {
  options_.receivers.clear();
  Open();
  source_.by_rule["slow"] = Measurements(25, 0.7);
  Evaluate(1);
  size_t described = 0;
  for (const ActiveAlert& active : engine_->Active(kDefaultTenant)) {
    const Measurement& last = active.alert.last;
    described += last.example.empty() ? 0u : 1u;
    EXPECT_EQ(last.example.empty(), last.recommendation.empty());
  }
  EXPECT_EQ(engine_->Active(kDefaultTenant).size(), 25u);
  EXPECT_EQ(described, 20u);
}

TEST_F(EngineBounds, ASilenceHasAtMostTwentyMatchers) {
  Open();
  Silence silence;
  silence.tenant = kDefaultTenant;
  silence.end = kStart.Plus(minutes(1));
  silence.matchers.resize(20, {.name = "team", .value = "shop"});
  EXPECT_TRUE(engine_->AddSilence(silence));
  silence.matchers.resize(21, {.name = "team", .value = "shop"});
  const auto refused = engine_->AddSilence(silence);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("21; 20 are the most"));
}

}  // namespace
}  // namespace khtrace::alerting
