// SPDX-License-Identifier: Apache-2.0
#include "api/tracing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "api/tracing_testing.h"

namespace khtrace::api {
namespace {

using testing::HasSubstr;

constexpr const char* kLists[] = {
    "/api/tracing/overview",
    "/api/tracing/performance/summary",
    "/api/tracing/performance/bottlenecks",
    "/api/tracing/operations",
    "/api/tracing/traces/search",
    "/api/tracing/critical-path",
    "/api/tracing/dependencies",
    "/api/tracing/errors/patterns",
    "/api/tracing/explain?selection=%7B%20%7D",
};

using TracingTest = TracingFixture;

TEST_F(TracingTest, EmptyStoreAnswersWithAHint) {
  for (const char* path : kLists) {
    const auto json = GetJson(path);
    if (std::string_view(path).find("errors") == std::string_view::npos) {
      EXPECT_THAT(Text(json, "hint"), HasSubstr("khtrace demo")) << path;
    } else {
      EXPECT_THAT(Text(json, "hint"), HasSubstr("no error")) << path;
    }
  }
}

TEST_F(TracingTest, WindowBesideTheDataSaysWhereTheyAre) {
  StoreShop();
  const auto json = GetJson(
      "/api/tracing/operations?start=2025-01-01T00:00:00Z&"
      "end=2025-01-02T00:00:00Z");
  EXPECT_EQ(Size(json, "operations"), 0u);
  EXPECT_THAT(Text(json, "hint"), HasSubstr("from 2026-01-01T00:00:00Z"));
}

TEST_F(TracingTest, UnknownParameterIsAProblemEverywhere) {
  for (const char* path : kLists) {
    const std::string target = std::string(path) +
                               (std::strchr(path, '?') == nullptr ? "?" : "&") +
                               "windwo=1h";
    const net::HttpResponse response = Get(target);
    EXPECT_EQ(response.status, 400) << target;
    EXPECT_EQ(response.content_type, "application/problem+json");
    const auto json = Json(response);
    EXPECT_EQ(Text(json, "parameter"), "windwo");
    EXPECT_EQ(Text(json, "type"), "urn:khtrace:problem:invalid-parameter");
    EXPECT_THAT(Text(json, "detail"), HasSubstr("did you mean 'window'?"));
    EXPECT_EQ(Number(json, "status"), 400);
  }
}

TEST_F(TracingTest, WrongMethodNamesTheRightOnes) {
  const net::HttpResponse response =
      Send("POST", "/api/tracing/performance/summary");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers.Get("Allow"), "GET");
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_THAT(response.body, HasSubstr("POST is not answered here, only GET"));
}

TEST_F(TracingTest, UnknownPathNamesTheNearestOne) {
  const net::HttpResponse response = Get("/api/tracing/perfomance/summary");
  EXPECT_EQ(response.status, 404);
  EXPECT_THAT(
      response.body,
      HasSubstr("; did you mean /api/tracing/performance/summary? /api"));
  EXPECT_EQ(Get("/somewhere").body, "404 page not found\n");
}

TEST_F(TracingTest, SameFiguresHaveTheSameTag) {
  StoreShop();
  // Critical paths are kept by quarters of an hour: behind the range's.
  clock_.Advance(std::chrono::minutes(10));
  const std::string range =
      "?start=2026-01-01T00:00:00Z&end=2026-01-01T00:05:00Z";
  for (const char* path :
       {"/api/tracing/operations", "/api/tracing/performance/summary",
        "/api/tracing/dependencies", "/api/tracing/errors/patterns"}) {
    const std::string target = path + range;
    const std::string tag(Get(target).headers.Get("ETag"));
    EXPECT_THAT(tag, testing::StartsWith("W/\""));
    clock_.Advance(std::chrono::seconds(30));
    const net::HttpResponse again = Get(target, {{"If-None-Match", tag}});
    EXPECT_EQ(again.status, 304) << path;
    EXPECT_EQ(again.body, "");
    EXPECT_EQ(again.headers.Get("ETag"), tag);
    EXPECT_EQ(Get(target, {{"If-None-Match", "W/\"0\""}}).status, 200);
  }
}

TEST_F(TracingTest, StatusTellsDoorsAndStorage) {
  StoreShop(3);
  clock_.Advance(std::chrono::seconds(90));
  const auto json = GetJson("/api/tracing/status");
  EXPECT_EQ(Text(json, "status"), "ok");
  EXPECT_EQ(Text(json, "version"), "1.2.3");
  EXPECT_EQ(Number(json, "uptime_seconds"), 90);
  EXPECT_EQ(Number(json["storage"], "spans"), 6);
  EXPECT_EQ(Text(json["storage"], "oldest"), "2026-01-01T00:00:00Z");
  const auto receiver = At(json, "receivers", 0);
  EXPECT_EQ(Number(receiver, "spans_received"), 7);
  EXPECT_EQ(Number(receiver, "spans_refused"), 1);
  EXPECT_EQ(Number(receiver, "spans_dropped"), 2);
}

TEST_F(TracingTest, HealthIs503WhileAComponentFails) {
  EXPECT_EQ(Get("/api/tracing/health").status, 200);
  health_.SetFailing("storage", "disk full");
  const net::HttpResponse response = Get("/api/tracing/health");
  EXPECT_EQ(response.status, 503);
  EXPECT_THAT(response.body, HasSubstr("disk full"));
}

TEST_F(TracingTest, SummaryGradesServicesAndCategories) {
  StoreShop();
  const auto json = GetJson("/api/tracing/performance/summary");
  EXPECT_EQ(Number(json, "spans"), 120);
  EXPECT_EQ(Size(json, "services"), 2u);
  std::vector<std::string> categories;
  simdjson::dom::array all;
  ASSERT_EQ(json["categories"].get(all), simdjson::SUCCESS);
  for (const auto category : all) {
    if (Number(category, "count") == 0) continue;
    categories.push_back(Text(category, "category"));
    EXPECT_EQ(Number(category, "p50_ms") > 200, true);
    EXPECT_EQ(Number(category["targets"], "target_ms") > 0, true);
    EXPECT_EQ(Number(category, "attained_share"), 0);
    EXPECT_EQ(Number(category, "error_rate"), 0.1);
  }
  EXPECT_THAT(categories, testing::UnorderedElementsAre("database", "api"));
  EXPECT_GT(Size(json, "bottlenecks"), 0u);
  EXPECT_GT(Size(json, "series"), 0u);
}

TEST_F(TracingTest, FewCallsHaveNoGradeAndSayWhy) {
  StoreShop(5);
  const auto json = GetJson("/api/tracing/operations?category=api");
  const auto operation = At(json, "operations", 0);
  EXPECT_TRUE(operation["grade"].is_null());
  EXPECT_EQ(Text(operation, "no_grade_reason"), "insufficient_data");
  EXPECT_EQ(Number(operation, "count"), 5);
  EXPECT_EQ(
      Text(GetJson("/api/tracing/performance/summary"), "no_grade_reason"),
      "insufficient_data");
}

TEST_F(TracingTest, BottleneckHasTheNamesThatOthersRelyOn) {
  StoreShop();
  const auto json =
      GetJson("/api/tracing/performance/bottlenecks?threshold_ms=100");
  EXPECT_EQ(Number(json, "threshold_ms"), 100);
  EXPECT_EQ(Number(json, "total"), 2);
  for (const char* key : {"operation",
                          "service",
                          "category",
                          "count",
                          "calls_per_min",
                          "p50_ms",
                          "p95_ms",
                          "p99_ms",
                          "target_ms",
                          "error_rate",
                          "grade",
                          "latency_grade",
                          "alert_state",
                          "flags",
                          "critical_path_share",
                          "recoverable_ms_per_hour",
                          "impact",
                          "recommendations",
                          "examples",
                          "avg_ms",
                          "over_target_ms",
                          "slow_count",
                          "slow_percent",
                          "trend",
                          "p95_interval",
                          "grade_confidence",
                          "reason"}) {
    EXPECT_EQ(At(json, "bottlenecks", 0)[key].error(), simdjson::SUCCESS)
        << key;
  }
  const auto first = At(json, "bottlenecks", 0);
  EXPECT_EQ(Number(first, "slow_percent"), 100);
  EXPECT_EQ(Number(first["impact"], "rank"), 100);
  EXPECT_GE(Number(first["impact"], "score"),
            Number(At(json, "bottlenecks", 1)["impact"], "score"));
}

TEST_F(TracingTest, BottlenecksOverAHighThresholdAreNone) {
  StoreShop();
  const auto json =
      GetJson("/api/tracing/performance/bottlenecks?threshold_ms=60000");
  EXPECT_EQ(Size(json, "bottlenecks"), 0u);
  EXPECT_THAT(Text(json, "hint"), HasSubstr("threshold_ms=0 lists all"));
}

TEST_F(TracingTest, PagesOfBottlenecksFollowEachOther) {
  StoreShop();
  const std::string target =
      "/api/tracing/performance/bottlenecks?threshold_ms=0&limit=1";
  const auto first = GetJson(target);
  const std::string one = Text(At(first, "bottlenecks", 0), "operation");
  const std::string cursor = Text(first, "next_cursor");
  const auto second = GetJson(target + "&cursor=" + cursor);
  EXPECT_NE(Text(At(second, "bottlenecks", 0), "operation"), one);
  EXPECT_TRUE(second["next_cursor"].is_null());
  EXPECT_EQ(Number(At(second, "bottlenecks", 0)["impact"], "rank") < 100, true);
  EXPECT_EQ(Get(target + "&service=shop&cursor=" + cursor).status, 400);
}

TEST_F(TracingTest, OperationsAreSortedAndFiltered) {
  StoreShop();
  const auto names = [this](std::string_view query) {
    std::vector<std::string> all;
    simdjson::dom::array array;
    const auto json = GetJson("/api/tracing/operations" + std::string(query));
    EXPECT_EQ(json["operations"].get(array), simdjson::SUCCESS);
    for (const auto one : array) all.push_back(Text(one, "operation"));
    return all;
  };
  const std::string api = "POST /checkout";
  const std::string database = "SELECT items/all";
  EXPECT_EQ(names("?sort=p95"), (std::vector{api, database}));
  EXPECT_EQ(names("?sort=p95&order=asc"), (std::vector{database, api}));
  EXPECT_EQ(names("?sort=name"), (std::vector{api, database}));
  EXPECT_EQ(names("?service=stock"), std::vector{database});
  EXPECT_EQ(names("?category=api"), std::vector{api});
  EXPECT_EQ(names("?search=CHECK"), std::vector{api});
  EXPECT_EQ(names("?min_count=61"), std::vector<std::string>());
  EXPECT_EQ(Get("/api/tracing/operations?grade=E").status, 400);
}

TEST_F(TracingTest, OperationIsFoundWhateverItsNameHolds) {
  StoreShop();
  for (const char* name : {"SELECT%20items%2Fall", "SELECT%20items/all"}) {
    const auto json =
        GetJson(std::string("/api/tracing/operations/") + name + "/analysis");
    EXPECT_EQ(Text(json, "operation"), "SELECT items/all");
    EXPECT_EQ(Text(json, "category"), "database");
    EXPECT_GT(Size(json, "histogram"), 0u);
    EXPECT_EQ(Size(json, "grade_bands"), 5u);
    EXPECT_EQ(Size(json, "error_patterns"), 1u);
    EXPECT_EQ(Number(json, "self_share"), 1);
  }
  EXPECT_GT(Size(GetJson("/api/tracing/operations/POST%20%2Fcheckout/trend"),
                 "series"),
            0u);
}

TEST_F(TracingTest, BandsAndBarsCountEveryCallOnce) {
  StoreShop();
  const auto json =
      GetJson("/api/tracing/operations/POST%20%2Fcheckout/analysis");
  for (const char* key : {"grade_bands", "histogram"}) {
    double sum = 0;
    simdjson::dom::array array;
    ASSERT_EQ(json[key].get(array), simdjson::SUCCESS);
    for (const auto one : array) sum += Number(one, "count");
    EXPECT_EQ(sum, 60) << key;
  }
}

TEST_F(TracingTest, UnknownOperationNamesSimilarOnes) {
  StoreShop();
  const net::HttpResponse response =
      Get("/api/tracing/operations/POST%20%2Fchekout/analysis");
  EXPECT_EQ(response.status, 404);
  const auto json = Json(response);
  EXPECT_THAT(Text(json, "detail"), HasSubstr("POST /checkout"));
  EXPECT_EQ(Size(json, "similar"), 1u);
  EXPECT_EQ(Get("/api/tracing/operations/a/b").status, 404);
}

TEST_F(TracingTest, SearchFindsSlowTraces) {
  StoreShop();
  const auto json =
      GetJson("/api/tracing/traces/search?min_duration_ms=355&service=shop");
  EXPECT_EQ(Number(json, "count"), 5);
  const auto trace = At(json, "traces", 0);
  EXPECT_EQ(Text(trace, "root_operation"), "POST /checkout");
  EXPECT_EQ(Number(trace, "duration_ms"), 359);
  EXPECT_EQ(Number(trace, "span_count"), 2);
  EXPECT_EQ(Number(trace, "error_count"), 2);
  EXPECT_EQ(Number(trace, "service_count"), 2);
  EXPECT_EQ(Number(trace, "matched_spans"), 1);
  EXPECT_EQ(Text(trace, "speed"), "medium");
  // It failed; see traces/{id}/analysis.
  EXPECT_EQ(Text(trace, "grade"), "F");
  EXPECT_EQ(Text(trace, "category"), "api");
  EXPECT_EQ(Text(At(trace, "path", 0), "service"), "stock");
  EXPECT_EQ(Number(At(trace, "path", 0), "path_ms"), 280);
  EXPECT_EQ(Text(At(json, "traces", 1), "grade"), "B");
}

TEST_F(TracingTest, SearchSortsAllTracesAndGoesOnBehindAPage) {
  StoreShop();
  const std::string target =
      "/api/tracing/traces/search?sort=duration&limit=2&order=";
  const auto slowest = GetJson(target + "desc");
  EXPECT_EQ(Number(At(slowest, "traces", 0), "duration_ms"), 359);
  EXPECT_EQ(Number(At(slowest, "traces", 1), "duration_ms"), 358);
  const std::string cursor = Text(slowest, "next_cursor");
  const auto next = GetJson(target + "desc&cursor=" + cursor);
  EXPECT_EQ(Number(At(next, "traces", 0), "duration_ms"), 357);
  EXPECT_EQ(Get(target + "asc&cursor=" + cursor).status, 400);
  const auto fastest = GetJson(target + "asc");
  EXPECT_EQ(Number(At(fastest, "traces", 0), "duration_ms"), 300);
}

TEST_F(TracingTest, SearchRefusesBadQueries) {
  const net::HttpResponse response =
      Get("/api/tracing/traces/search?q=%7B%20.a%20==%201%20%7D");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(Text(Json(response), "parameter"), "q");
  EXPECT_THAT(response.body, HasSubstr("line 1, col"));
  EXPECT_EQ(
      Text(Json(Get("/api/tracing/traces/search?tag=novalue")), "parameter"),
      "tag");
  EXPECT_EQ(Text(Json(Get("/api/tracing/traces/search?min_duration_ms=2&"
                          "max_duration_ms=1")),
                 "parameter"),
            "max_duration_ms");
}

TEST_F(TracingTest, TraceIsAnalysed) {
  StoreShop();
  const auto json =
      GetJson("/api/tracing/traces/0000000000000abc000000000000000a/analysis");
  EXPECT_EQ(Number(json, "span_count"), 2);
  EXPECT_EQ(Number(json, "error_count"), 2);
  double path = 0;
  simdjson::dom::array segments;
  ASSERT_EQ(json["critical_path"]["segments"].get(segments), simdjson::SUCCESS);
  for (const auto segment : segments) path += Number(segment, "duration_ms");
  EXPECT_DOUBLE_EQ(path, Number(json, "duration_ms"));
  EXPECT_EQ(Text(At(json, "error_origins", 0), "operation"),
            "SELECT items/all");
  EXPECT_EQ(Get("/api/tracing/traces/abcd/analysis").status, 404);
  EXPECT_EQ(Get("/api/tracing/traces/xyz/analysis").status, 400);
}

TEST_F(TracingTest, CriticalPathIsByRoot) {
  StoreShop();
  const auto json = GetJson("/api/tracing/critical-path?service=shop");
  const auto root = At(json, "roots", 0);
  EXPECT_EQ(Text(root, "operation"), "POST /checkout");
  EXPECT_EQ(Text(At(root, "shares", 0), "operation"), "SELECT items/all");
  EXPECT_THAT(Get("/api/tracing/critical-path?format=folded").body,
              HasSubstr("shop: POST /checkout;stock: SELECT items/all "));
  EXPECT_EQ(Size(GetJson("/api/tracing/critical-path?service=stock"), "roots"),
            0u);
}

TEST_F(TracingTest, DependenciesAreDrawnAndFocused) {
  StoreShop();
  const auto json = GetJson("/api/tracing/dependencies");
  EXPECT_EQ(Number(json, "edge_count"), 2);
  EXPECT_THAT(Get("/api/tracing/dependencies?format=dot").body,
              HasSubstr("digraph"));
  EXPECT_EQ(Get("/api/tracing/dependencies?focus=shop&hops=1").status, 200);
  const net::HttpResponse unknown = Get("/api/tracing/dependencies?focus=shpo");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_THAT(unknown.body, HasSubstr("did you mean 'shop'?"));
  EXPECT_EQ(Get("/api/tracing/dependencies?hops=1").status, 400);
}

TEST_F(TracingTest, ErrorPatternIsFoundByItsFingerprint) {
  StoreShop();
  const auto json =
      GetJson("/api/tracing/errors/patterns?new=true&service=stock");
  ASSERT_EQ(Size(json, "patterns"), 1u);
  const std::string fingerprint = Text(At(json, "patterns", 0), "fingerprint");
  const auto one = GetJson("/api/tracing/errors/patterns/" + fingerprint);
  EXPECT_EQ(Text(one, "type"), "TimeoutError");
  EXPECT_EQ(Number(one, "count"), 6);
  EXPECT_EQ(Number(At(one, "places", 0), "origins"), 6);
  const auto clusters = one["clusters"].value();
  EXPECT_EQ(Number(clusters, "error_spans"), 6);
  EXPECT_EQ(Number(clusters, "other_spans"), 54);
  EXPECT_EQ(Text(clusters["time"].value(), "shape"), "too_few");
  EXPECT_EQ(Text(At(clusters, "values", 0), "value"), "SELECT items/all");
  EXPECT_EQ(Get("/api/tracing/errors/patterns/0000000000000000").status, 404);
}

TEST_F(TracingTest, ExplainTakesBothMethods) {
  StoreShop();
  const auto got =
      GetJson("/api/tracing/explain?selection=%7B%20status%20=%20error%20%7D");
  EXPECT_EQ(Number(got, "selected_spans"), 12);
  EXPECT_EQ(Number(got, "other_spans"), 108);
  const net::HttpResponse posted =
      Send("POST", "/api/tracing/explain", {},
           R"({"selection":"{ status = error }","window":"1h"})");
  EXPECT_EQ(posted.status, 200) << posted.body;
  EXPECT_EQ(Number(Json(posted), "selected_spans"), 12);
  EXPECT_EQ(Text(Json(Get("/api/tracing/explain")), "parameter"), "selection");
  EXPECT_EQ(Text(Json(Get("/api/tracing/explain?selection=%7B%7D&baseline=x")),
                 "parameter"),
            "baseline");
  EXPECT_EQ(Send("POST", "/api/tracing/explain", {}, "[]").status, 400);
}

TEST_F(TracingTest, OverviewSaysItInOneLine) {
  StoreShop();
  const auto json = GetJson("/api/tracing/overview");
  EXPECT_THAT(Text(json, "summary"), HasSubstr("first"));
  EXPECT_EQ(Number(json["health"], "services"), 2);
  EXPECT_GT(Size(At(json, "services", 0), "series"), 0u);
  EXPECT_GT(Size(json, "bottlenecks"), 0u);
  EXPECT_GT(Size(json, "error_patterns"), 0u);
}

TEST_F(TracingTest, EveryRouteIsInTheSpecification) {
  const auto json = GetJson("/api/tracing/openapi.json");
  for (const char* path : {"status",
                           "health",
                           "overview",
                           "performance/summary",
                           "performance/bottlenecks",
                           "operations",
                           "operations/{name}/analysis",
                           "operations/{name}/trend",
                           "traces/search",
                           "traces/{id}/analysis",
                           "critical-path",
                           "dependencies",
                           "errors/patterns",
                           "errors/patterns/{fingerprint}",
                           "explain",
                           "heatmap",
                           "changes",
                           "openapi.json",
                           "alerts",
                           "alerts/active",
                           "alerts/history",
                           "alerts/silences",
                           "alerts/silences/{id}",
                           "alerts/{id}/ack",
                           "alerts/test",
                           "traceql/explain"}) {
    EXPECT_EQ(json["paths"][std::string("/api/tracing/") + path].error(),
              simdjson::SUCCESS)
        << path;
  }
}

TEST_F(TracingTest, TenantsSeeTheirOwn) {
  api_.options.multitenancy = true;
  StoreShop();
  EXPECT_EQ(Get("/api/tracing/operations").status, 401);
  EXPECT_EQ(Get("/api/tracing/operations").content_type,
            "application/problem+json");
  const net::HttpResponse other =
      Get("/api/tracing/operations", {{"X-Scope-OrgID", "other"}});
  EXPECT_EQ(Size(Json(other), "operations"), 0u);
}

}  // namespace
}  // namespace khtrace::api
