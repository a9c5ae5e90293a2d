// SPDX-License-Identifier: Apache-2.0
#include "alerting/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "alerting/engine_testing.h"
#include "base/faulty_fs.h"

namespace khtrace::alerting {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

TEST_F(EngineTest, TellsOnceWhenItFiresAndOnceWhenItIsOver) {
  Open();
  source_.Set("slow", 0.1);
  Evaluate(3);
  source_.Set("slow", 0.7);
  Evaluate(5);
  EXPECT_EQ(State(), Phase::kAlert);
  source_.Set("slow", 0.1);
  Evaluate(3);
  EXPECT_EQ(State(), Phase::kOk);
  const auto requests = receiver_.WaitFor(2);
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_THAT(requests[0].body, HasSubstr(R"("status":"firing")"));
  EXPECT_THAT(requests[0].body, HasSubstr(R"("state":"alert")"));
  EXPECT_THAT(requests[0].body, HasSubstr(R"("value_text":"700 ms")"));
  EXPECT_THAT(requests[0].body, HasSubstr(R"("target_text":"200 ms")"));
  EXPECT_THAT(requests[0].body, HasSubstr(R"("count":100)"));
  EXPECT_THAT(requests[0].body, HasSubstr("Batch the queries"));
  EXPECT_THAT(requests[0].body, HasSubstr(R"("team":"shop")"));
  EXPECT_THAT(
      requests[0].body,
      HasSubstr("http://127.0.0.1:16686/trace/0af7651916cd43dd8448eb211c8031"));
  EXPECT_THAT(requests[1].body, HasSubstr(R"("status":"resolved")"));
  EXPECT_EQ(engine_->History(kDefaultTenant, 10).size(), 2u);
}

TEST_F(EngineTest, CriticalTakesThePlaceOfAlert) {
  Open();
  source_.Set("slow", 0.7);
  Evaluate(2);
  source_.Set("slow", 2);
  Evaluate(2);
  const auto requests = receiver_.WaitFor(2);
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_THAT(requests[1].body, HasSubstr(R"("state":"critical")"));
  EXPECT_THAT(requests[1].body, HasSubstr(R"("previous_state":"alert")"));
}

TEST_F(EngineTest, RemembersOverARestartAndDoesNotFireAgain) {
  Open();
  source_.Set("slow", 0.7);
  Evaluate(2);
  ASSERT_EQ(receiver_.WaitFor(1).size(), 1u);
  WaitForOutbox();
  const UnixNanos fired = engine_->Active(kDefaultTenant)[0].alert.state.since;
  Open();
  EXPECT_EQ(engine_->Active(kDefaultTenant)[0].alert.state.since, fired);
  Evaluate(3);
  EXPECT_EQ(State(), Phase::kAlert);
  source_.Set("slow", 0.1);
  Evaluate(1);
  const auto requests = receiver_.WaitFor(2);
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_THAT(requests[1].body, HasSubstr("resolved"));
}

TEST_F(EngineTest, AMessageThatWasNotTakenIsSentAfterARestart) {
  options_.receivers[0].url = "http://127.0.0.1:1/dead";
  Open();
  source_.Set("slow", 0.7);
  Evaluate(1);
  options_.receivers[0].url = receiver_.url();
  Open();
  ASSERT_EQ(receiver_.WaitFor(1).size(), 1u);
  Evaluate(2);
  WaitForOutbox();
  EXPECT_EQ(receiver_.requests().size(), 1u);
}

TEST_F(EngineTest, EvaluatesWhatItMissedAsOfThen) {
  Open();
  source_.Set("slow", 0.1);
  Evaluate(1);
  engine_->Stop();
  Open();
  source_.asked.clear();
  clock_.Advance(minutes(5));
  engine_->EvaluateForTesting();
  // Nine rounds of 30 s were missed, then comes that of now.
  ASSERT_EQ(source_.asked.size(), 10u);
  EXPECT_EQ(source_.asked[0], kStart.Plus(seconds(60)));
  EXPECT_EQ(source_.asked[9], kStart.Plus(seconds(330)));
  EXPECT_TRUE(std::is_sorted(source_.asked.begin(), source_.asked.end()));
}

TEST_F(EngineTest, ADamagedStateIsSetAsideAndANewerOneRefused) {
  const std::string path = dir_.File("alert-state");
  ASSERT_TRUE(WriteFileAtomically(fs_, path, "khtrace-alert-state 1 00\n{}"));
  Open();
  EXPECT_TRUE(fs_.Exists(path + ".corrupt"));
  EXPECT_FALSE(fs_.Exists(path));
  engine_.reset();
  ASSERT_TRUE(WriteFileAtomically(fs_, path, "khtrace-alert-state 2 00\n{}"));
  const auto engine = Engine::Open(options_, {.source = source_,
                                              .clock = clock_,
                                              .registry = *registry_,
                                              .health = health_,
                                              .fs = &fs_,
                                              .state_path = path});
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(engine.error().message, HasSubstr("version 2"));
}

TEST_F(EngineTest, ADiskThatFailsIsSaidAndAlertsGoOn) {
  FaultyFs faulty(fs_);
  engine_.reset();
  registry_ = std::make_unique<telemetry::Registry>();
  auto engine = Engine::Open(options_, {.source = source_,
                                        .clock = clock_,
                                        .registry = *registry_,
                                        .health = health_,
                                        .fs = &faulty,
                                        .state_path = dir_.File("state")});
  ASSERT_TRUE(engine);
  engine_ = *std::move(engine);
  faulty.InjectFault({.at_call = 1, .all_afterwards = true});
  source_.Set("slow", 0.7);
  Evaluate(1);
  EXPECT_EQ(receiver_.WaitFor(1).size(), 1u);
  EXPECT_FALSE(health_.AllOk());
  EXPECT_THAT(registry_->RenderPrometheus(),
              HasSubstr("khtrace_alert_state_save_failures_total"));
  faulty.ClearFault();
  Evaluate(1);
  EXPECT_TRUE(health_.AllOk());
  engine_.reset();  // before the file system that it uses
}

TEST_F(EngineTest, ASilenceKeepsQuietAndWhatStillFiresIsToldAfterwards) {
  Open();
  Silence silence;
  silence.tenant = kDefaultTenant;
  silence.matchers = {{.name = "team", .value = "sh.p", .regex = true}};
  silence.end = kStart.Plus(minutes(10));
  const auto id = engine_->AddSilence(silence);
  ASSERT_TRUE(id);
  source_.Set("slow", 0.7);
  Evaluate(3);
  EXPECT_EQ(State(), Phase::kAlert);
  EXPECT_EQ(engine_->Active(kDefaultTenant)[0].silenced_by, *id);
  EXPECT_TRUE(receiver_.requests().empty());
  Evaluate(17);  // until ten minutes have passed
  ASSERT_EQ(receiver_.WaitFor(1).size(), 1u);
  EXPECT_TRUE(engine_->Silences(kDefaultTenant).empty());
}

TEST_F(EngineTest, RefusesSilencesThatMakeNoSense) {
  Open();
  Silence silence;
  silence.tenant = kDefaultTenant;
  silence.end = kStart.Plus(minutes(1));
  EXPECT_FALSE(engine_->AddSilence(silence));  // no matcher
  silence.matchers = {{.name = "team", .value = "(", .regex = true}};
  EXPECT_FALSE(engine_->AddSilence(silence));
  silence.matchers = {{.name = "team", .value = "shop"}};
  silence.end = kStart;
  EXPECT_FALSE(engine_->AddSilence(silence));
  EXPECT_FALSE(engine_->EndSilence(kDefaultTenant, "s9"));
}

TEST_F(EngineTest, IsRemindedUnlessAcknowledged) {
  options_.repeat = minutes(10);
  Open();
  source_.Set("slow", 0.7);
  Evaluate(25);
  EXPECT_EQ(receiver_.WaitFor(2).size(), 2u);
  ASSERT_TRUE(engine_->Acknowledge(kDefaultTenant, FiringId(), "ann", "on it"));
  Evaluate(50);
  EXPECT_EQ(receiver_.requests().size(), 2u);
  source_.Set("slow", 2);  // worse
  Evaluate(1);
  EXPECT_EQ(receiver_.WaitFor(3).size(), 3u);
  EXPECT_FALSE(engine_->Active(kDefaultTenant)[0].alert.acknowledged);
  EXPECT_FALSE(engine_->Acknowledge(kDefaultTenant, "0123", "ann", ""));
  EXPECT_FALSE(engine_->Acknowledge("other", FiringId(), "ann", ""));
}

TEST_F(EngineTest, AnOperationThatVanishesKeepsItsStateForADay) {
  Open();
  source_.Set("slow", 0.7);
  Evaluate(1);
  source_.by_rule.clear();
  Evaluate(3);
  EXPECT_EQ(State(), Phase::kAlert);
  EXPECT_EQ(engine_->Active(kDefaultTenant)[0].alert.state.no_data, "no_spans");
  clock_.Advance(std::chrono::hours(25));
  Evaluate(1);
  EXPECT_EQ(State(), Phase::kOk);
  EXPECT_EQ(engine_->History(kDefaultTenant, 1)[0].reason,
            "no spans for a day");
}

TEST_F(EngineTest, WhatIsCountedEndsWithTheLastSpan) {
  Open();
  source_.Set("slow", 0.7);
  Evaluate(1);
  source_.by_rule.clear();
  Measurement zero;
  zero.value = 0;
  source_.missing = zero;
  Evaluate(1);
  EXPECT_EQ(State(), Phase::kOk);
  EXPECT_EQ(engine_->Rules(kDefaultTenant)[0].alerts.size(), 1u);
}

TEST_F(EngineTest, RulesThatFailAreSaidAndCounted) {
  Open();
  source_.error = "disk on fire";
  Evaluate(1);
  EXPECT_EQ(engine_->Rules(kDefaultTenant)[0].error, "disk on fire");
  EXPECT_FALSE(health_.AllOk());
  source_.error.clear();
  Evaluate(1);
  EXPECT_EQ(engine_->Rules(kDefaultTenant)[0].error, "");
  EXPECT_TRUE(health_.AllOk());
}

TEST_F(EngineTest, RulesThatWereNotReachedInTimeComeFirstNextTime) {
  Rule second = options_.rules[0];
  second.name = "second";
  options_.rules.push_back(second);
  options_.round_timeout = seconds(10);
  Open();
  source_.clock = &clock_;
  source_.takes = seconds(11);
  engine_->EvaluateForTesting();
  auto rules = engine_->Rules(kDefaultTenant);
  EXPECT_EQ(rules[0].error, "");
  EXPECT_THAT(rules[1].error, HasSubstr("not reached"));
  engine_->EvaluateForTesting();
  rules = engine_->Rules(kDefaultTenant);
  EXPECT_THAT(rules[0].error, HasSubstr("not reached"));
  EXPECT_EQ(rules[1].error, "");
}

TEST_F(EngineTest, TenantsAreApart) {
  source_.tenants = {"a", "b"};
  options_.rules[0].tenant = "b";
  Open();
  source_.Set("slow", 0.7);
  Evaluate(1);
  EXPECT_TRUE(engine_->Active("a").empty());
  EXPECT_EQ(engine_->Active("b").size(), 1u);
  EXPECT_TRUE(engine_->Rules("a").empty());
  EXPECT_TRUE(engine_->History("a", 10).empty());
}

TEST_F(EngineTest, AlertmanagerIsSentWhatFiresAgainAndAgain) {
  options_.receivers[0].kind = ReceiverKind::kAlertmanager;
  options_.receivers[0].url =
      "http://127.0.0.1:" + std::to_string(receiver_.port()) + "/am/";
  Open();
  source_.Set("slow", 0.7);
  Evaluate(1);
  auto requests = receiver_.WaitFor(1);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].path, "/am/api/v2/alerts");
  EXPECT_THAT(requests[0].body, HasSubstr(R"("alertname":"slow")"));
  EXPECT_THAT(requests[0].body, HasSubstr(R"("severity":"warning")"));
  EXPECT_THAT(requests[0].body,
              HasSubstr(R"("startsAt":"2026-01-01T00:00:30Z")"));
  EXPECT_THAT(requests[0].body,
              HasSubstr(R"("endsAt":"2026-01-01T00:04:30Z")"));
  Evaluate(2);
  EXPECT_EQ(receiver_.WaitFor(2).size(), 2u);
  source_.Set("slow", 0.1);
  Evaluate(1);
  requests = receiver_.WaitFor(3);
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_THAT(requests[2].body,
              HasSubstr(R"("endsAt":"2026-01-01T00:02:00Z")"));
}

TEST_F(EngineTest, ARuleThatIsGoneEndsItsAlerts) {
  Open();
  source_.Set("slow", 0.7);
  Evaluate(1);
  ASSERT_EQ(receiver_.WaitFor(1).size(), 1u);
  WaitForOutbox();
  options_.rules[0].name = "other";
  Open();
  Evaluate(1);
  const auto requests = receiver_.WaitFor(2);
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_THAT(requests[1].body, HasSubstr(R"("status":"resolved")"));
  EXPECT_THAT(requests[1].body, HasSubstr(R"("rule":"slow")"));
}

TEST_F(EngineTest, WithOneSeverityForBothAlertmanagerSeesOneAlert) {
  options_.receivers[0].kind = ReceiverKind::kAlertmanager;
  options_.rules[0].alert_severity = "page";
  options_.rules[0].critical_severity = "page";
  Open();
  const auto entries = [](const net::HttpRequest& request) {
    size_t count = 0;
    for (size_t at = request.body.find("\"startsAt\""); at != std::string::npos;
         at = request.body.find("\"startsAt\"", at + 1)) {
      ++count;
    }
    return count;
  };
  for (const double value : {0.7, 2.0, 0.7, 0.1}) {
    source_.Set("slow", value);
    const size_t before = receiver_.requests().size();
    Evaluate(1);
    receiver_.WaitFor(before + 1);
  }
  const auto requests = receiver_.requests();
  ASSERT_EQ(requests.size(), 4u);
  for (const net::HttpRequest& request : requests) {
    EXPECT_EQ(entries(request), 1u) << request.body;
    EXPECT_THAT(request.body, HasSubstr(R"("severity":"page")"));
    // Of one alert there is one beginning.
    EXPECT_THAT(request.body,
                HasSubstr(R"("startsAt":"2026-01-01T00:00:30Z")"));
  }
  EXPECT_THAT(requests[1].body,
              HasSubstr(R"("endsAt":"2026-01-01T00:05:00Z")"));
  EXPECT_THAT(requests[3].body,
              HasSubstr(R"("endsAt":"2026-01-01T00:02:00Z")"));
}

TEST_F(EngineTest, ARuleThatIsDisabledOverARestartEndsItsAlerts) {
  Open();
  source_.Set("slow", 0.7);
  Evaluate(1);
  ASSERT_EQ(receiver_.WaitFor(1).size(), 1u);
  WaitForOutbox();
  options_.rules[0].enabled = false;
  Open();
  EXPECT_TRUE(engine_->Active(kDefaultTenant).empty());
  Evaluate(2);
  ASSERT_EQ(receiver_.WaitFor(2).size(), 2u);
  EXPECT_THAT(receiver_.requests()[1].body,
              HasSubstr(R"("status":"resolved")"));
  EXPECT_EQ(State(), Phase::kOk);
  WaitForOutbox();
  options_.rules[0].enabled = true;
  Open();
  Evaluate(1);
  EXPECT_EQ(State(), Phase::kAlert);
  ASSERT_EQ(receiver_.WaitFor(3).size(), 3u);
  EXPECT_THAT(receiver_.requests()[2].body, HasSubstr(R"("status":"firing")"));
}

TEST_F(EngineTest, SilencesAreRememberedWithTheirRegexes) {
  Open();
  Silence silence;
  silence.tenant = kDefaultTenant;
  silence.matchers = {{.name = "team", .value = "sh.p", .regex = true}};
  silence.end = kStart.Plus(minutes(10));
  const auto id = engine_->AddSilence(silence);
  ASSERT_TRUE(id);
  Open();
  source_.Set("slow", 0.7);
  Evaluate(1);
  EXPECT_EQ(engine_->Active(kDefaultTenant).at(0).silenced_by, *id);
  ASSERT_TRUE(engine_->EndSilence(kDefaultTenant, *id));
  EXPECT_EQ(engine_->Active(kDefaultTenant)[0].silenced_by, "");
  Evaluate(1);
  EXPECT_EQ(receiver_.WaitFor(1).size(), 1u);
}

}  // namespace
}  // namespace khtrace::alerting
