// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "traceql/ast.h"

namespace khtrace::api {

// What /api/tracing/traces/search asks for. Everything that is said of a span
// must be true of one and the same.
struct TraceFilter {
  std::string service;
  std::string operation;
  std::string status;  // "ok", "error", "unset", ""
  std::vector<std::pair<std::string, std::string>> tags;
  // Of the span.
  std::optional<std::chrono::nanoseconds> min_span_duration;
  std::optional<std::chrono::nanoseconds> max_span_duration;
  // Of the trace.
  std::optional<std::chrono::nanoseconds> min_duration;
  std::optional<std::chrono::nanoseconds> max_duration;
  std::string traceql;  // and what this asks for
};

// As one query, checked. kInvalidArgument: `traceql` cannot be read, with its
// position, or is a metrics query.
Result<traceql::Query> ToTraceQl(const TraceFilter& filter);

}  // namespace khtrace::api
