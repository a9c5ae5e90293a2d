// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/span_batch.h"
#include "query/metrics.h"
#include "query/search.h"

// For tests only: runs the cases of tests/traceql/semantics/ (its README.md
// has the format) through whatever evaluates TraceQL.

namespace khtrace::query::reference {

using TraceList = std::span<const model::SpanBatchPtr>;

// What is put to the test. `traces`: each whole, in order of (start, span id,
// kind); the same list in one call after the other until the file has another.
struct Engine {
  std::function<Result<SearchResult>(TraceList traces, const SearchRequest&)>
      search;
  std::function<Result<MetricsResult>(TraceList traces, const MetricsRequest&)>
      metrics;
};

struct SemanticsReport {
  size_t cases = 0;
  // "file:line: query", what was expected and what came.
  std::vector<std::string> failures;
};

// Runs one file; one that cannot be read or understood is a failure.
SemanticsReport RunSemantics(const std::string& path, const Engine& engine);

}  // namespace khtrace::query::reference
