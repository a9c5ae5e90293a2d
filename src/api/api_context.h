// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>

#include "base/clock.h"
#include "base/executor.h"
#include "query/metrics_cache.h"
#include "query/span_judge.h"
#include "storage/trace_store.h"

namespace khtrace::api {

// Who we are, for the endpoints that tell.
struct BuildInfo {
  std::string version;   // "0.1.0"
  std::string revision;  // commit
  std::string branch;
  std::string build_user;
  std::string build_date;  // RFC 3339
};

struct ApiOptions {
  // True: the header X-Scope-OrgID chooses the tenant and its absence is 401.
  // False: the header is ignored.
  bool multitenancy = false;
  // For one request, waiting for the pool included. Larger: slow questions get
  // their answer; smaller: the pool is free for others sooner.
  std::chrono::nanoseconds deadline = std::chrono::seconds(30);
  // Traces one search may ask for.
  int64_t max_traces = 10'000;
  // Traces in memory for one answer; what would go over is left out and said
  // to be. Larger: fuller answers, more memory a query.
  size_t max_answer_bytes = 256u << 20;
  // Queries running or waiting for the pool; one more is answered "retry".
  size_t max_pending = 256;
};

// What the query endpoints work with. Outlives every router that holds it and
// every request in flight; thread-safe, since all parts are.
struct ApiContext {
  storage::TraceReader& reader;
  Executor& cpu;
  const Clock& clock;
  BuildInfo build{};
  ApiOptions options{};
  // Of perf:category and perf:grade; nullptr: queries with them are refused.
  const query::SpanJudge* judge = nullptr;
  // Queries running or waiting, counted by QueryHandler.
  mutable std::atomic<size_t> pending{0};
  // Of metrics queries.
  mutable query::MetricsCache metrics_cache{};
};

}  // namespace khtrace::api
