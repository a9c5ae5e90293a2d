// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/request_context.h"
#include "base/result.h"
#include "query/metrics.h"
#include "query/profile.h"
#include "query/search.h"
#include "storage/trace_store.h"

// How a query runs, as data and as text: made of the plans that run, by the
// functions that decide how they run.

namespace khtrace::query {

// An operator and what it works on.
struct PlanNode {
  std::string op;    // one word: "filter", "all", "group"
  std::string text;  // of the query, or how it is done
  // Only analyzed, and of operators that count.
  std::optional<OperatorCounts> counts = {};
  // Of columns that are read: bytes.
  std::optional<uint64_t> bytes = {};
  // In the order in which they run.
  std::vector<PlanNode> children = {};
};

struct Explanation {
  std::string query;  // canonical text
  PlanNode logical;   // what
  PlanNode physical;  // how
  struct Analysis {
    QueryStats stats;
    storage::ScanSummary scan;
    size_t threads = 0;
    uint64_t nanos = 0;
    size_t results = 0;  // traces or series
  };
  std::optional<Analysis> analysis;  // if the query was run
};

// `analyze`: runs it, as Search would. Without it nothing but the list of
// units is read. Errors as Search.
Result<Explanation> ExplainSearch(storage::TraceReader& reader,
                                  const RequestContext& context,
                                  const SearchRequest& request, bool analyze);
// Likewise of RunMetrics. The cache is looked at only if the request has one.
Result<Explanation> ExplainMetrics(storage::TraceReader& reader,
                                   const RequestContext& context,
                                   const MetricsRequest& request, bool analyze);

// For people: a line for each operator, indented.
std::string ToText(const Explanation& explanation);

}  // namespace khtrace::query
