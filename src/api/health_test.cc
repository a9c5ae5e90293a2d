// SPDX-License-Identifier: Apache-2.0
#include "api/health.h"

#include <gtest/gtest.h>

#include <chrono>

#include "api/metrics.h"
#include "api/testing.h"

namespace khtrace::api {
namespace {

class HealthEndpoints : public ApiFixture {
 protected:
  HealthEndpoints() {
    RegisterCollectorHealth(router_, health_, clock_);
    RegisterGrafanaHealth(router_, health_, api_.build);
    RegisterTracingHealth(router_, health_, api_.build);
  }
  telemetry::Health health_;
};

TEST_F(HealthEndpoints, AnswersAsTheCollectorsExtension) {
  EXPECT_EQ(Get("/").status, 503);
  EXPECT_EQ(Get("/").body, R"({"status":"Server not available",)"
                           R"("upSince":"0001-01-01T00:00:00Z","uptime":""})");
  health_.SetOk("storage");
  clock_.Advance(std::chrono::milliseconds(62'300));
  EXPECT_EQ(Get("/").status, 200);
  EXPECT_EQ(Get("/").body,
            R"({"status":"Server available",)"
            R"("upSince":"2026-01-01T00:10:00Z","uptime":"1m2.3s"})");
}

TEST_F(HealthEndpoints, GivesTheWorstStatusOfAllComponents) {
  EXPECT_EQ(Get("/status").status, 503);
  health_.SetStarting("storage");
  health_.SetOk("otlp_grpc");
  EXPECT_EQ(Get("/status").status, 503);
  health_.SetOk("storage");
  EXPECT_EQ(Get("/status").body,
            R"({"start_time":"2026-01-01T00:10:00Z","healthy":true,)"
            R"("status":"StatusOK","status_time":"2026-01-01T00:10:00Z",)"
            R"("components":{"otlp_grpc":{"healthy":true,"status":"StatusOK",)"
            R"("status_time":"2026-01-01T00:10:00Z"},"storage":{)"
            R"("healthy":true,"status":"StatusOK",)"
            R"("status_time":"2026-01-01T00:10:00Z"}}})");
  health_.SetFailing("storage", "disk \"a\" is full");
  const net::HttpResponse failed = Get("/status");
  EXPECT_EQ(failed.status, 500);
  EXPECT_NE(failed.body.find(R"("status":"StatusPermanentError",)"
                             R"("status_time":"2026-01-01T00:10:00Z",)"
                             R"("error":"disk \"a\" is full")"),
            std::string::npos);
}

TEST_F(HealthEndpoints, AnswersAsGrafana) {
  health_.SetOk("storage");
  EXPECT_EQ(Get("/api/health").status, 200);
  EXPECT_EQ(Get("/api/health").body,
            R"({"database":"ok","version":"1.2.3","commit":"abc"})");
  health_.SetFailing("storage", "x");
  EXPECT_EQ(Get("/api/health").status, 503);
}

TEST_F(HealthEndpoints, TellsEachComponentAndWhyItFails) {
  health_.SetOk("a");
  health_.SetFailing("b", "no disk");
  const net::HttpResponse response = Get("/api/tracing/health");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body,
            R"({"status":"failing","version":"1.2.3","components":[)"
            R"({"name":"a","ok":true,"reason":""},)"
            R"({"name":"b","ok":false,"reason":"no disk"}]})");
  health_.SetOk("b");
  EXPECT_EQ(Get("/api/tracing/health").status, 200);
}

TEST_F(HealthEndpoints, MetricsAreInTextFormat) {
  telemetry::Registry registry;
  registry.AddCounter("khtrace_x_total", "Help.").Add(3);
  RegisterMetrics(router_, registry, cpu_);
  const net::HttpResponse response = Get("/metrics");
  EXPECT_EQ(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(response.body.find("khtrace_x_total 3"), std::string::npos);
}

}  // namespace
}  // namespace khtrace::api
