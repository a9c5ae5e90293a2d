// SPDX-License-Identifier: Apache-2.0
#include "api/tracing_alerts.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "alerting/query_measure.h"
#include "api/testing.h"
#include "telemetry/health.h"
#include "telemetry/metrics.h"

namespace khtrace::api {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

// Queries alone: they need nothing but a store.
class QuerySource : public alerting::MeasureSource {
 public:
  explicit QuerySource(storage::TraceStore& store)
      : store_(store), tools_{.reader = store, .cache = cache_} {}
  Result<std::vector<alerting::Measurement>> Measure(
      const RequestContext& context, const alerting::Rule& rule,
      UnixNanos now) override {
    return alerting::MeasureQuery(tools_, context, rule, now);
  }
  void Describe(const RequestContext& context, const alerting::Rule& rule,
                UnixNanos now, alerting::Measurement* m) override {
    m->example = alerting::FindExample(tools_, context, rule, now, *m);
  }
  std::vector<std::string> Tenants() override { return store_.Tenants(); }

 private:
  storage::TraceStore& store_;
  query::MetricsCache cache_;
  const alerting::QueryTools tools_;
};

class TracingAlertsTest : public ApiFixture {
 protected:
  TracingAlertsTest() : source_(store_) {
    alerting::Rule rule;
    rule.name = "slow";
    rule.kind = alerting::RuleKind::kQuery;
    rule.query = kP95;
    rule.alert = 0.5;
    rule.critical = 1;
    rule.min_samples = 0;
    alerting::AlertingOptions options;
    options.rules = {rule, rule};
    options.rules[1].name = "theirs";
    options.rules[1].tenant = "other";
    options.base_url = "http://ui";
    auto engine = alerting::Engine::Open(options, {.source = source_,
                                                   .clock = clock_,
                                                   .registry = registry_,
                                                   .health = health_});
    engine_ = *std::move(engine);
    RegisterTracingAlerts(router_, api_, *engine_, analysis_);
  }

  // Ten traces of `service` a minute ago.
  void StoreSlow(std::string_view service, milliseconds duration) {
    std::vector<TestSpan> spans;
    for (uint64_t i = 0; i < 10; ++i) {
      TestSpan& span = spans.emplace_back();
      span.service = service;
      span.trace = {7, ++traces_};
      span.start = clock_.Now().ns - 60 * kSecond;
      span.duration = static_cast<uint64_t>(duration.count()) * 1'000'000;
    }
    Store(spans);
  }
  net::HttpResponse Post(std::string_view target, std::string body) {
    return Send("POST", target, {{"Content-Type", "application/json"}},
                std::move(body));
  }

  static constexpr const char* kP95 =
      "{ } | quantile_over_time(duration, .95) by (resource.service.name)";
  QuerySource source_;
  telemetry::Registry registry_;
  telemetry::Health health_;
  const analysis::AnalysisOptions analysis_;
  std::unique_ptr<alerting::Engine> engine_;
  uint64_t traces_ = 0;
};

TEST_F(TracingAlertsTest, RulesAreThereBeforeAnythingHappened) {
  const auto answer = Get("/api/tracing/alerts");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr(R"("name":"slow")"));
  EXPECT_THAT(answer.body, HasSubstr(R"("evaluated_at":null)"));
  EXPECT_EQ(Get("/api/tracing/alerts/active").body, R"({"alerts":[]})");
  EXPECT_EQ(Get("/api/tracing/alerts/history").body, R"({"events":[]})");
  EXPECT_EQ(Get("/api/tracing/alerts/silences").body, R"({"silences":[]})");
}

TEST_F(TracingAlertsTest, WhatFiresIsActiveAcknowledgedAndHistory) {
  StoreSlow("cart", milliseconds(2000));
  StoreSlow("shop", milliseconds(20));
  engine_->EvaluateForTesting();
  const auto active = Get("/api/tracing/alerts/active");
  EXPECT_THAT(active.body, HasSubstr(R"("state":"critical")"));
  EXPECT_THAT(active.body, HasSubstr(R"("trace_url":"http://ui/trace/)"));
  EXPECT_THAT(active.body, HasSubstr(R"("count":10)"));
  EXPECT_THAT(active.body, testing::Not(HasSubstr("shop")));
  EXPECT_THAT(Get("/api/tracing/alerts/history?limit=5").body,
              HasSubstr(R"("from":"ok","to":"critical")"));
  const std::string id = engine_->Active(kDefaultTenant).at(0).alert.id;
  const auto ack =
      Post("/api/tracing/alerts/" + id + "/ack", R"({"by":"ann"})");
  EXPECT_EQ(ack.status, 200);
  EXPECT_THAT(ack.body, HasSubstr(R"("acknowledged":{"by":"ann")"));
}

TEST_F(TracingAlertsTest, SilencesComeAndGo) {
  StoreSlow("cart", milliseconds(2000));
  engine_->EvaluateForTesting();
  const auto made =
      Post("/api/tracing/alerts/silences",
           R"({"matchers":[{"name":"alertname","value":"s.*","isRegex":true}],)"
           R"("duration":"1h","created_by":"ann"})");
  EXPECT_EQ(made.status, 201);
  EXPECT_THAT(made.body, HasSubstr(R"("end":"2026-01-01T01:10:00Z")"));
  const std::string id = engine_->Silences(kDefaultTenant).at(0).id;
  EXPECT_THAT(Get("/api/tracing/alerts/active").body,
              HasSubstr("\"silenced_by\":\"" + id + "\""));
  const std::string path = "/api/tracing/alerts/silences/" + id;
  EXPECT_EQ(Send("DELETE", path).status, 204);
  EXPECT_EQ(Send("DELETE", path).status, 404);
}

TEST_F(TracingAlertsTest, ATestReplaysARuleOverStoredData) {
  StoreSlow("cart", milliseconds(2000));
  const auto known = Post("/api/tracing/alerts/test",
                          R"({"rule":"slow","since":"10m","step":"30s"})");
  EXPECT_EQ(known.status, 200) << known.body;
  EXPECT_THAT(known.body, HasSubstr(R"("fired":1)"));
  EXPECT_THAT(known.body, HasSubstr(R"("start":"2026-01-01T00:09:00Z")"));
  const auto own = Post("/api/tracing/alerts/test",
                        R"x({"query":"{ } | count_over_time()","alert":5,)x"
                        R"("for":"1m","since":"5m"})");
  EXPECT_EQ(own.status, 200) << own.body;
  EXPECT_THAT(own.body, HasSubstr(R"("start":"2026-01-01T00:10:00Z")"));
}

TEST_F(TracingAlertsTest, ProblemsNameTheParameterAtFault) {
  const std::string test = "/api/tracing/alerts/test";
  const std::string silences = "/api/tracing/alerts/silences";
  const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
      {test, "{}", "rule"},
      {test, R"({"query":"{"})", "query"},
      {test, R"x({"query":"{ } | rate()"})x", "alert"},
      {test, R"x({"query":"{ } | rate()","alert":2,"critical":1})x",
       "critical"},
      {test, R"x({"query":"{ } | rate()","alert":1,"compare":"is"})x",
       "compare"},
      {test, R"({"category":"none"})", "category"},
      {test, R"({"objective":{"select":7}})", "objective.select"},
      {test, R"({"objective":{"select":"{","goal":0.9}})", "objective.select"},
      {test, R"({"objective":{"select":"{ }","goal":2}})", "objective.goal"},
      {test, R"({"rule":"slow","for":"soon"})", "for"},
      {test, R"({"rule":"slow","window":"25h"})", "window"},
      {test, R"({"rule":"slow","step":"1ms"})", "step"},
      {test, R"({"rule":"slow","end":"1970-01-01T00:00:00Z"})", "end"},
      {silences, R"({"comment":"x"})", "matchers"},
      {silences, R"({"matchers":[{"value":"x"}]})", "matchers"},
      {silences, R"({"matchers":[{"name":"a","regex":"yes"}]})",
       "matchers.regex"},
      {silences, R"({"matchers":[{"name":"a","value":"(","regex":true}]})",
       "matchers"},
      {silences, R"({"matchers":[{"name":"a"}],"duration":"-1h"})", "duration"},
      {silences, R"({"matchers":[{"name":"a"}],"end":"1999-01-01T00:00:00Z"})",
       "end"},
      {"/api/tracing/alerts/0123/ack", R"({"by":1})", "by"},
  };
  for (const auto& [path, body, parameter] : cases) {
    const auto answer = Post(path, body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(answer.content_type, "application/problem+json") << body;
    EXPECT_THAT(answer.body,
                HasSubstr("\"type\":\"urn:khtrace:problem:invalid-parameter\""))
        << body;
    EXPECT_THAT(answer.body, HasSubstr("\"parameter\":\"" + parameter + "\""))
        << body;
  }
}

TEST_F(TracingAlertsTest, RulesOfOtherTenantsCannotBeTested) {
  const auto known =
      Post("/api/tracing/alerts/test", R"({"rule":"slow","since":"10m"})");
  EXPECT_EQ(known.status, 200) << known.body;
  const auto theirs =
      Post("/api/tracing/alerts/test", R"({"rule":"theirs","since":"10m"})");
  EXPECT_EQ(theirs.status, 404);
  // As if it were not there at all.
  EXPECT_THAT(theirs.body, HasSubstr("no rule 'theirs'"));
  EXPECT_THAT(Get("/api/tracing/alerts").body,
              testing::Not(HasSubstr("theirs")));
  api_.options.multitenancy = true;
  const auto own =
      Send("POST", "/api/tracing/alerts/test", {{"X-Scope-OrgID", "other"}},
           R"({"rule":"theirs","since":"10m"})");
  EXPECT_EQ(own.status, 200) << own.body;
}

TEST_F(TracingAlertsTest, TextsHaveAtMost1024Bytes) {
  const std::string silence =
      R"({{"matchers":[{{"name":"{}","value":"{}"}}],"comment":"{}",)"
      R"("created_by":"{}"}})";
  const std::string most(1024, 'x');
  const std::string more(1025, 'x');
  const auto add = [&](const std::string& name, const std::string& value,
                       const std::string& comment, const std::string& by) {
    return Post("/api/tracing/alerts/silences",
                fmt::format(fmt::runtime(silence), name, value, comment, by));
  };
  EXPECT_EQ(add(most, most, most, most).status, 201);
  const std::pair<net::HttpResponse, const char*> refused[] = {
      {add(more, "b", "", ""), "matchers"},
      {add("a", more, "", ""), "matchers"},
      {add("a", "b", more, ""), "comment"},
      {add("a", "b", "", more), "created_by"},
      {Post("/api/tracing/alerts/0123/ack", R"({"by":")" + more + "\"}"), "by"},
      {Post("/api/tracing/alerts/0123/ack", R"({"comment":")" + more + "\"}"),
       "comment"}};
  for (const auto& [answer, parameter] : refused) {
    EXPECT_EQ(answer.status, 400) << parameter;
    EXPECT_THAT(answer.body, HasSubstr("1025 bytes; 1024 are the most"));
    EXPECT_THAT(answer.body,
                HasSubstr(fmt::format(R"("parameter":"{}")", parameter)));
  }
}

TEST_F(TracingAlertsTest, ErrorsAreProblems) {
  const auto problem = [](const net::HttpResponse& answer, int status,
                          std::string_view name) {
    EXPECT_EQ(answer.content_type, "application/problem+json");
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_THAT(answer.body,
                HasSubstr(fmt::format("urn:khtrace:problem:{}\"", name)));
  };
  const std::string test = "/api/tracing/alerts/test";
  problem(Get("/api/tracing/alerts/history?limit=0"), 400, "invalid-parameter");
  problem(Get("/api/tracing/alerts/active?limit=1"), 400, "invalid-parameter");
  problem(Post(test, "{"), 400, "invalid-request");
  problem(Post(test, R"({"rule":"unknown"})"), 404, "not-found");
  problem(Post("/api/tracing/alerts/silences", "[]"), 400, "invalid-request");
  problem(Post("/api/tracing/alerts/0123/ack", ""), 404, "not-found");
  problem(Send("DELETE", "/api/tracing/alerts/silences/s9"), 404, "not-found");
}

TEST_F(TracingAlertsTest, WhatDoesNotFireCannotBeAcknowledged) {
  StoreSlow("shop", milliseconds(20));
  engine_->EvaluateForTesting();
  const auto rules = engine_->Rules(kDefaultTenant);
  ASSERT_EQ(rules.at(0).alerts.size(), 1u);
  const auto answer =
      Post("/api/tracing/alerts/" + rules[0].alerts[0].id + "/ack", "");
  EXPECT_EQ(answer.status, 409);
  EXPECT_THAT(answer.body, HasSubstr("urn:khtrace:problem:conflict"));
}

}  // namespace
}  // namespace khtrace::api
