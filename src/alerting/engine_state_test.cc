// SPDX-License-Identifier: Apache-2.0
#include "alerting/engine_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"

namespace khtrace::alerting {
namespace {

using testing::HasSubstr;

EngineState SampleState() {
  EngineState state;
  state.evaluated_at = {1'767'225'600'123'456'789};
  state.next_number = 7;
  Alert alert;
  alert.tenant = "default";
  alert.rule = "api-target";
  alert.labels = {{"operation", "GET \"/\"\n"}, {"service", "müsli"}};
  alert.id = AlertId(alert.tenant, alert.rule, alert.labels);
  alert.state.phase = Phase::kCritical;
  alert.state.since = {5};
  alert.state.fired_at = {4};
  alert.state.beyond_alert = std::chrono::seconds(90);
  alert.state.beyond_critical = std::chrono::seconds(0);
  alert.state.evaluated_at = {6};
  alert.state.no_data = "no_spans";
  alert.last.value = 0.1;
  alert.last.critical = 0.05;
  alert.last.unit = "s";
  alert.last.count = 99;
  alert.last.example = "0af7";
  alert.notified = Phase::kAlert;
  alert.notified_at = {3};
  alert.acknowledged = true;
  alert.acknowledged_by = "ann";
  state.alerts[alert.id] = alert;
  Event event;
  event.at = {8};
  event.rule = "r";
  event.to = Phase::kAlert;
  event.value = 3.25;
  state.history.push_back(event);
  Silence silence;
  silence.id = "s1";
  silence.matchers = {{.name = "a", .value = "b", .negate = true}};
  silence.end = {UINT64_MAX};
  state.silences.push_back(silence);
  state.outbox.push_back(
      {.id = "m1", .receiver = "hook", .body = "{}", .created_at = {9}});
  return state;
}

TEST(AlertStateFile, ReadsBackWhatItWrote) {
  const EngineState state = SampleState();
  const std::string text = FormatState(state);
  const auto read = ParseState(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(FormatState(*read), text);
  const Alert& wrote = state.alerts.begin()->second;
  const Alert& alert = read->alerts.at(wrote.id);
  EXPECT_EQ(alert.state, wrote.state);
  EXPECT_EQ(alert.labels, wrote.labels);
  EXPECT_EQ(alert.last.value, wrote.last.value);
  EXPECT_EQ(read->silences[0].matchers, state.silences[0].matchers);
  EXPECT_EQ(read->outbox[0].body, "{}");
}

TEST(AlertStateFile, LooksAsDocumented) {
  EngineState state;
  state.evaluated_at = {1'767'225'600'000'000'000};
  EXPECT_EQ(FormatState(state),
            "khtrace-alert-state 1 1040aa6fe5ce2f98\n"
            "{\"evaluated_at\":1767225600000000000,\"next_number\":1,"
            "\"alerts\":[],\"history\":[],\"silences\":[],\"outbox\":[]}");
}

TEST(AlertStateFile, EveryFlippedBitIsFound) {
  std::string text = FormatState(SampleState());
  for (size_t i = 0; i < text.size(); ++i) {
    text[i] = static_cast<char>(text[i] ^ 1);
    EXPECT_FALSE(ParseState(text)) << i;
    text[i] = static_cast<char>(text[i] ^ 1);
  }
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(ParseState(std::string_view(text).substr(0, length)));
  }
}

TEST(AlertStateFile, ANewerVersionIsRefusedByName) {
  const auto read = ParseState("khtrace-alert-state 12 anything\n");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(read.error().message, HasSubstr("version 12"));
}

TEST(AlertId, TellsLabelsApart) {
  EXPECT_NE(AlertId("t", "r", {{"a", "bc"}}), AlertId("t", "r", {{"ab", "c"}}));
  EXPECT_NE(AlertId("t", "r", {}), AlertId("tr", "", {}));
}

TEST(Matchers, FitByEqualityAndWholeRegex) {
  const Labels labels = {{"service", "shop"}};
  const auto fits = [&](Matcher matcher) {
    return MatcherSet::Compile({matcher})->Fits(labels);
  };
  EXPECT_TRUE(fits({.name = "service", .value = "shop"}));
  EXPECT_FALSE(fits({.name = "service", .value = "shop", .negate = true}));
  EXPECT_TRUE(fits({.name = "service", .value = "s.*", .regex = true}));
  EXPECT_FALSE(fits({.name = "service", .value = "s", .regex = true}));
  EXPECT_TRUE(fits({.name = "missing", .value = ""}));
  const auto both = MatcherSet::Compile({{.name = "service", .value = "shop"},
                                         {.name = "missing", .value = "x"}});
  ASSERT_TRUE(both);
  EXPECT_FALSE(both->Fits(labels));
}

TEST(Matchers, ABadRegexIsRefusedWhereverItStands) {
  EXPECT_FALSE(MatcherSet::Compile({}));
  for (const bool first : {true, false}) {
    std::vector<Matcher> matchers = {{.name = "service", .value = "never"}};
    matchers.insert(first ? matchers.begin() : matchers.end(),
                    {.name = "team", .value = "(", .regex = true});
    const auto compiled = MatcherSet::Compile(matchers);
    ASSERT_FALSE(compiled);
    EXPECT_EQ(compiled.error().code, Code::kInvalidArgument);
    EXPECT_THAT(compiled.error().message, HasSubstr("matchers: team: '('"));
  }
}

TEST(RuleLabels, NameRuleSeverityAndTenant) {
  Rule rule;
  rule.labels = {{"service", "of the rule"}, {"team", "a"}};
  rule.critical_severity = "page";
  Alert alert;
  alert.rule = "slow";
  alert.tenant = "acme";
  alert.labels = {{"service", "shop"}};
  EXPECT_EQ(RuleLabels(rule, alert, Phase::kCritical),
            (Labels{{"alertname", "slow"},
                    {"service", "of the rule"},
                    {"severity", "page"},
                    {"team", "a"},
                    {"tenant", "acme"}}));
}

}  // namespace
}  // namespace khtrace::alerting
