// SPDX-License-Identifier: Apache-2.0
#include "api/metrics.h"

#include <utility>

namespace khtrace::api {

void RegisterMetrics(net::HttpRouter& router,
                     const telemetry::Registry& registry, Executor& cpu) {
  router.Add(
      "GET", "/metrics",
      [&registry, &cpu](net::HttpRequest, net::HttpRespond respond) {
        cpu.Post([&registry, respond = std::move(respond)] {
          respond({.content_type = "text/plain; version=0.0.4; charset=utf-8",
                   .body = registry.RenderPrometheus()});
        });
      });
}

}  // namespace khtrace::api
