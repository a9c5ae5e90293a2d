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

TEST_F(EngineBounds, TenantsHaveTheirInstancesForThemselves) {
  Rule second = options_.rules[0];
  options_.rules[0].tenant = "many";
  second.name = "second";
  second.tenant = "few";
  options_.rules.push_back(second);
  options_.receivers.clear();
  source_.tenants = {"few", "many"};
  source_.by_rule["slow"] = Measurements(10'001, 0.7);
  source_.by_rule["second"] = Measurements(1, 0.7);
  Open(/*on_disk=*/false);
  Evaluate(1);
  EXPECT_EQ(engine_->Active("many").size(), 10'000u);
  EXPECT_EQ(engine_->Active("few").size(), 1u);
  EXPECT_THAT(registry_->RenderPrometheus(),
              HasSubstr("khtrace_alert_instances_dropped_total 1\n"));
}

TEST_F(EngineBounds, InstancesThatAreFineGiveWayToThoseThatAreNot) {
  options_.receivers.clear();
  Open(/*on_disk=*/false);
  source_.by_rule["slow"] = Measurements(10'001, 0.1);
  source_.by_rule["slow"].back().value = 0.7;  // the last one of a first round
  Evaluate(1);
  EXPECT_EQ(engine_->Active(kDefaultTenant).size(), 1u);
  source_.by_rule["slow"] = Measurements(10'010, 0.1);
  for (size_t i = 10'000; i < 10'010; ++i) {
    source_.by_rule["slow"][i].value = 2;
  }
  Evaluate(1);
  EXPECT_EQ(engine_->Active(kDefaultTenant).size(), 10u);
  EXPECT_EQ(engine_->Rules(kDefaultTenant)[0].alerts.size(), 10'000u);
  EXPECT_THAT(registry_->RenderPrometheus(),
              HasSubstr("khtrace_alert_instances_dropped_total 0\n"));
}

TEST_F(EngineBounds, WhyADeliveryFailedIsToldToWhoseItWas) {
  options_.rules[0].tenant = "theirs";
  source_.tenants = {"ours", "theirs"};
  receiver_.AnswerWith({400});
  Open();
  source_.Set("slow", 0.7);
  Evaluate(1);
  ASSERT_EQ(receiver_.WaitFor(1).size(), 1u);
  WaitForOutbox();
  ASSERT_EQ(engine_->Receivers("theirs").size(), 1u);
  EXPECT_THAT(engine_->Receivers("theirs")[0].last_error,
              HasSubstr("status 400: noted"));
  EXPECT_EQ(engine_->Receivers("ours").at(0).last_error, "");
  source_.Set("slow", 2);
  Evaluate(1);
  ASSERT_EQ(receiver_.WaitFor(2).size(), 2u);
  WaitForOutbox();
  EXPECT_EQ(engine_->Receivers("theirs")[0].last_error, "");
}

TEST_F(EngineBounds, WhatWaitsOverARestartIsStillItsTenants) {
  source_.tenants = {"ours", "theirs"};
  options_.rules[0].tenant = "theirs";
  options_.receivers[0].url = "http://127.0.0.1:1/dead";
  Open();
  source_.Set("slow", 0.7);
  Evaluate(1);
  Open();
  const auto error_of = [&](const char* tenant) {
    return engine_->Receivers(tenant).at(0).last_error;
  };
  for (int i = 0; i < 1000 && error_of("theirs").empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_THAT(error_of("theirs"), testing::Not(""));
  EXPECT_EQ(error_of("ours"), "");
}

TEST_F(EngineBounds, GoesOnWhenTheClockIsSetBack) {
  options_.rules[0].hold = minutes(2);
  options_.repeat = minutes(10);
  options_.receivers.push_back(options_.receivers[0]);
  options_.receivers[1].name = "manager";
  options_.receivers[1].kind = ReceiverKind::kAlertmanager;
  options_.receivers[1].url =
      "http://127.0.0.1:" + std::to_string(receiver_.port()) + "/am/";
  Open();
  source_.Set("slow", 0.7);
  Evaluate(2);
  EXPECT_EQ(State(), Phase::kPending);
  clock_.SetNow(kStart.Minus(std::chrono::hours(24)));
  Evaluate(3);
  EXPECT_EQ(State(), Phase::kPending);
  Evaluate(1);  // all but the jump itself counts
  EXPECT_EQ(State(), Phase::kAlert);
  ASSERT_EQ(receiver_.WaitFor(2).size(), 2u);  // one each
  clock_.SetNow(kStart.Minus(std::chrono::hours(48)));
  Evaluate(1);  // neither waits for the clock to catch up
  EXPECT_EQ(receiver_.WaitFor(4).size(), 4u);
  EXPECT_EQ(State(), Phase::kAlert);
}

TEST_F(EngineBounds, AClockThatJumpsAheadDoesNotFireWhatIsPending) {
  options_.rules[0].hold = std::chrono::hours(2);
  Open();
  source_.Set("slow", 0.7);
  Evaluate(2);
  clock_.Advance(std::chrono::hours(24));
  Evaluate(2);
  // What was missed is evaluated for half an hour behind the last round; of
  // the rest nothing is known.
  EXPECT_EQ(State(), Phase::kPending);
  source_.Set("slow", 0.1);
  Evaluate(1);
  EXPECT_EQ(State(), Phase::kOk);
  EXPECT_TRUE(receiver_.requests().empty());
}

}  // namespace
}  // namespace khtrace::alerting
