// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "base/fs.h"
#include "base/temp_dir.h"
#include "config/server_config.h"

// The sections `analysis` and `alerting`.

namespace khtrace::config {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

Result<ServerConfig> Load(const std::string& yaml) {
  const TempDirForTesting dir;
  const std::string path = dir.File("k.yml");
  KHTRACE_CHECK(WriteFileAtomically(Fs::Real(), path, yaml).has_value());
  ConfigSources sources;
  sources.files = {path};
  return LoadServerConfig(
      sources, [](const std::string&) { return std::optional<std::string>(); });
}

std::string ErrorOf(const std::string& yaml) {
  const auto config = Load(yaml);
  return config ? "" : config.error().message;
}

TEST(AnalysisSection, DefaultsAreTheBuiltInCategories) {
  const auto config = Load("");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->analysis.categories.size(), 5u);
  EXPECT_EQ(config->analysis.min_samples, 20u);
  EXPECT_EQ(config->alerting.rules.size(), 5u);
  EXPECT_EQ(config->alerting.base_url, "http://127.0.0.1:16686");
}

TEST(AnalysisSection, RefinesCategoriesAndAddsOthersInFront) {
  const auto config = Load(R"(
analysis:
  min_samples: 5
  weights: {frequency: 0.5}
  categories:
    api: {target: 300ms}
    batch: {target: 1m, alert: 2m, critical: 10m}
  rules:
    - {service: worker*, kind: consumer, category: batch}
    - {has: messaging, category: batch}
  overrides:
    - service: shop
      operation: GET /slow
      target: 1s
      alert: 3s
      critical: 5s
      bands: [1s, 2s, 3s, 4s]
)");
  ASSERT_TRUE(config) << config.error().message;
  const analysis::AnalysisOptions& options = config->analysis;
  EXPECT_EQ(options.min_samples, 5u);
  EXPECT_EQ(options.weights.frequency, 0.5);
  ASSERT_EQ(options.categories.size(), 6u);
  EXPECT_EQ(options.categories[0].name, "batch");
  EXPECT_EQ(options.categories[0].targets.bands[3], minutes(10));
  for (const analysis::Category& category : options.categories) {
    if (category.name != "api") continue;
    EXPECT_EQ(category.targets.target, milliseconds(300));
    EXPECT_EQ(category.targets.critical, seconds(2));  // as it was
  }
  EXPECT_EQ(options.rules[0].service, "worker*");
  EXPECT_EQ(options.rules[1].has, aggregate::Trait::kMessaging);
  ASSERT_EQ(options.overrides.size(), 1u);
  EXPECT_EQ(options.overrides[0].targets.bands[2], seconds(3));
}

TEST(AnalysisSection, SaysWhatIsWrong) {
  EXPECT_THAT(ErrorOf("analysis:\n  rules:\n    - {category: none}\n"),
              HasSubstr("k.yml:1: analysis: category rule 1"));
  EXPECT_THAT(ErrorOf("analysis: {categories: {mine: {target: 1s}}}"),
              HasSubstr("needs target, alert and critical"));
  EXPECT_THAT(ErrorOf("analysis: {overrides: [{service: a, targt: 1s}]}"),
              HasSubstr("did you mean 'target'?"));
  EXPECT_THAT(ErrorOf("analysis: {categories: {api: {bands: [1s]}}}"),
              HasSubstr("1 durations instead of four"));
  EXPECT_THAT(ErrorOf("analysis: {weights: {duration: much}}"),
              HasSubstr("'much' is no number"));
  EXPECT_THAT(ErrorOf("analysis: {rules: {category: api}}"),
              HasSubstr("expected a list"));
}

TEST(AlertingSection, NamesFileAndLine) {
  EXPECT_THAT(ErrorOf("alerting:\n"
                      "  rules:\n"
                      "    - name: mine\n"
                      "      query: '{ } | rate()'\n"
                      "      alert: 2\n"
                      "      critical: 1500ms\n"),
              HasSubstr("k.yml:3: alerting.rules[0]: critical: 1.5 must be"));
}

TEST(AlertingSection, ReadsEveryKindOfRule) {
  const auto config = Load(R"(
alerting:
  rules:
    - {name: api-target, for: 5m, severity: {critical: page}}
    - name: errors
      query: '{ status = error } | rate()'
      compare: at_least
      alert: 2
      critical: 1m
      labels: {team: shop}
      receivers: [am]
    - name: slo
      objective: {goal: 0.99, threshold: 250ms, period: 168h}
  receivers:
    - {name: am, type: alertmanager, url: "http://am:9093"}
    - {name: chat, url: "http://relay/x", format: slack, bearer_token: s3cret}
)");
  ASSERT_TRUE(config) << config.error().message;
  const alerting::AlertingOptions& options = config->alerting;
  ASSERT_EQ(options.rules.size(), 7u);
  EXPECT_EQ(options.rules[3].kind, alerting::RuleKind::kCategory);
  EXPECT_EQ(options.rules[3].category, "api");
  EXPECT_EQ(options.rules[3].hold, minutes(5));
  EXPECT_EQ(options.rules[3].critical_severity, "page");
  const alerting::Rule& errors = options.rules[5];
  EXPECT_EQ(errors.kind, alerting::RuleKind::kQuery);
  EXPECT_EQ(errors.compare, alerting::Comparison::kAtLeast);
  EXPECT_EQ(errors.alert, 2);
  EXPECT_EQ(errors.critical, 60);
  EXPECT_EQ(errors.min_samples, 0u);
  EXPECT_EQ(errors.labels, (alerting::Labels{{"team", "shop"}}));
  EXPECT_EQ(options.rules[6].objective.threshold, milliseconds(250));
  EXPECT_EQ(options.rules[6].objective.period, hours(168));
  ASSERT_EQ(options.receivers.size(), 2u);
  EXPECT_EQ(options.receivers[1].format, alerting::WebhookFormat::kSlack);
  EXPECT_EQ(options.receivers[1].bearer.Reveal(), "s3cret");
}

TEST(AlertingSection, SaysWhatIsWrong) {
  const auto rule = [](const std::string& fields) {
    return ErrorOf("alerting: {rules: [{name: mine, " + fields + "}]}");
  };
  EXPECT_THAT(rule("for: 1m"),
              HasSubstr("needs one of category, query and objective"));
  EXPECT_THAT(rule("category: api, query: x"), HasSubstr("needs one of"));
  EXPECT_THAT(rule("query: '{ }', alert: 1"), HasSubstr("not a metrics query"));
  EXPECT_THAT(rule("category: apis"), HasSubstr("'apis' is none of"));
  EXPECT_THAT(rule("category: api, receivers: [x]"), HasSubstr("'x' is none"));
  EXPECT_THAT(rule("category: api, fro: 1m"), HasSubstr("did you mean 'for'?"));
  EXPECT_THAT(rule("category: api, labels: [a]"), HasSubstr("map of texts"));
  EXPECT_THAT(ErrorOf("alerting: {receivers: [{name: a, url: 'https://b/'}]}"),
              HasSubstr("https is not spoken"));
  EXPECT_THAT(ErrorOf("alerting: {receivers: [{url: 'http://b/'}]}"),
              HasSubstr("a receiver needs a name"));
}

TEST(AlertingSection, MayLeaveOutTheBuiltInRules) {
  const auto config = Load("alerting: {default_rules: false}");
  ASSERT_TRUE(config);
  EXPECT_TRUE(config->alerting.rules.empty());
}

}  // namespace
}  // namespace khtrace::config
