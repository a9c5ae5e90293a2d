// SPDX-License-Identifier: Apache-2.0
#include "alerting/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace khtrace::alerting {
namespace {

using testing::HasSubstr;

analysis::AnalysisOptions Categories() {
  analysis::AnalysisOptions options;
  for (const char* name : {"memory", "database", "ai", "api", "session"}) {
    options.categories.push_back({.name = name, .targets = {}});
  }
  return options;
}

std::string Problem(const AlertingOptions& options) {
  const Status valid = Validate(options, Categories());
  return valid ? "" : valid.error().message;
}

Rule QueryRule(std::string query) {
  Rule rule;
  rule.name = "mine";
  rule.kind = RuleKind::kQuery;
  rule.query = std::move(query);
  rule.alert = 1;
  return rule;
}

TEST(AlertingOptions, HaveARuleForEachTargetFromTheStart) {
  const AlertingOptions options = AlertingOptions::Defaults();
  EXPECT_EQ(options.rules.size(), 5u);
  EXPECT_EQ(Problem(options), "");
}

TEST(AlertingOptions, ARuleOfTheSameNameReplaces) {
  AlertingOptions options = AlertingOptions::Defaults();
  Rule rule = QueryRule("{ } | rate()");
  AddRule(rule, &options);
  EXPECT_EQ(options.rules.size(), 6u);
  rule.name = "api-target";
  AddRule(rule, &options);
  EXPECT_EQ(options.rules.size(), 6u);
  EXPECT_EQ(options.rules[3].kind, RuleKind::kQuery);
  EXPECT_EQ(Problem(options), "");
}

TEST(AlertingOptions, SayWhatIsWrong) {
  const auto with = [](Rule rule) {
    AlertingOptions options;
    options.rules = {std::move(rule)};
    return Problem(options);
  };
  EXPECT_THAT(with(QueryRule("{ .a = }")), HasSubstr("rule 'mine': query: "));
  EXPECT_THAT(with(QueryRule("{ .a = 1 }")), HasSubstr("not a metrics query"));
  Rule rule = QueryRule("{ } | rate()");
  rule.alert.reset();
  EXPECT_THAT(with(rule), HasSubstr("needs a threshold"));
  rule.alert = 2;
  rule.critical = 1;
  EXPECT_THAT(with(rule), HasSubstr("critical: 1 must be no less than alert"));
  rule.compare = Comparison::kBelow;
  EXPECT_EQ(with(rule), "");
  rule.receivers = {"pager"};
  EXPECT_THAT(with(rule), HasSubstr("receivers: 'pager' is none of"));
  rule.kind = RuleKind::kCategory;
  rule.category = "apis";
  EXPECT_THAT(with(rule),
              HasSubstr("'apis' is none of memory, database, ai, api"));
  rule.kind = RuleKind::kObjective;
  rule.receivers.clear();
  EXPECT_EQ(with(rule), "");
  rule.objective.goal = 1;
  EXPECT_THAT(with(rule), HasSubstr("objective.goal: 1 is not between"));
  rule.objective.goal = 0.99;
  rule.objective.select = "{ } | rate()";
  EXPECT_THAT(with(rule), HasSubstr("objective.select: a metrics query"));
  rule.objective.select = "{ } with (most_recent=true)";
  EXPECT_THAT(with(rule), HasSubstr("objective.select: has hints"));
  rule.objective.select = "{ }";
  EXPECT_EQ(with(rule), "");
}

TEST(AlertingOptions, NamesAreUnique) {
  AlertingOptions options;
  options.rules = {QueryRule("{ } | rate()"), QueryRule("{ } | rate()")};
  EXPECT_THAT(Problem(options), HasSubstr("rule 'mine' is there twice"));
}

TEST(HttpUrl, KnowsHostPortAndTarget) {
  EXPECT_EQ(*ParseHttpUrl("http://hooks:8080/a/b?c=d"),
            (HttpAddress{.host = "hooks", .port = 8080, .target = "/a/b?c=d"}));
  EXPECT_EQ(*ParseHttpUrl("http://hooks"),
            (HttpAddress{.host = "hooks", .port = 80, .target = "/"}));
  EXPECT_EQ(*ParseHttpUrl("http://[::1]:9093"),
            (HttpAddress{.host = "::1", .port = 9093, .target = "/"}));
  EXPECT_EQ(ParseHttpUrl("http://[::1]")->host, "::1");
}

TEST(HttpUrl, SaysWhyNot) {
  const auto why = [](const std::string& url) {
    const auto address = ParseHttpUrl(url);
    return address ? "" : address.error().message;
  };
  EXPECT_THAT(why("https://hooks.slack.com/x"), HasSubstr("https"));
  EXPECT_THAT(why("hooks:80"), HasSubstr("is not http://"));
  EXPECT_THAT(why("http://:80/"), HasSubstr("names no host"));
  EXPECT_THAT(why("http://a:0/"), HasSubstr("is no port"));
  EXPECT_THAT(why("http://a:70000/"), HasSubstr("is no port"));
  EXPECT_THAT(why("http://me:secret@a/"), HasSubstr("bearer_token"));
  EXPECT_THAT(why("http://a/b c"), HasSubstr("blank"));
}

}  // namespace
}  // namespace khtrace::alerting
