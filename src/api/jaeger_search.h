// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "api/params.h"
#include "model/span_batch.h"
#include "query/find_traces.h"

// What the two generations of Jaeger's query API have in common.

namespace khtrace::api {

// One span must meet all of it; its whole trace is the answer.
struct JaegerSearch {
  std::string_view service;    // "" = any
  std::string_view operation;  // "" and "all" = any
  StringMap tags;
  std::optional<std::chrono::nanoseconds> min_duration;
  std::optional<std::chrono::nanoseconds> max_duration;
  UnixNanos start;
  UnixNanos end;
  int64_t limit = 0;
};

// A tag matches an attribute of the span, its resource or scope, or of one of
// its events, compared as text. Tags that Jaeger derives are matched where
// they come from: `error=true|false` and `otel.status_code=OK|ERROR` against
// the status, `span.kind=server` against the kind.
query::FindRequest ToFindRequest(const JaegerSearch& search, Executor* helpers);

// "server"; "" for unspecified.
std::string_view JaegerKindName(model::SpanKind kind);
// "unspecified" and "" are both kUnspecified; nullopt for an unknown name.
std::optional<model::SpanKind> JaegerKind(std::string_view name);

}  // namespace khtrace::api
