// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/explain_structure.h"
#include "analysis/operation_report.h"
#include "base/executor.h"
#include "base/request_context.h"
#include "base/result.h"
#include "query/search.h"
#include "storage/trace_store.h"

// What is different about some spans, compared with others.

namespace khtrace::analysis {

struct ExplainRequest {
  // TraceQL filters: spans to explain, and what they are compared with: all
  // spans that fit `baseline` and not `selection`. "{ }": all others.
  std::string selection;
  std::string baseline = "{ }";
  UnixNanos start;
  UnixNanos end;
  size_t limit = 20;
  Executor* helpers = nullptr;
  // For perf:category and perf:grade; nullptr: these are refused.
  const query::SpanJudge* judge = nullptr;
};

// Larger: smaller effects are seen, and more spans are read.
inline constexpr size_t kStructureTraces = 2'000;

struct Difference {
  std::string attribute;  // "resource.service.version", "name"
  std::string value;      // as text
  uint64_t selected = 0;  // spans of the selection that have it
  uint64_t others = 0;    // spans of the baseline
  double selected_share = 0;
  double other_share = 0;
  // selected_share - other_share; what differences are ordered by.
  double effect = 0;
  // How often chance alone would show as much, corrected for the number of
  // comparisons (Benjamini and Hochberg).
  double q_value = 0;
  // Others that occur on exactly as many spans, and so say the same.
  std::vector<std::string> together;
};

struct Explanation {
  uint64_t selected = 0;  // spans
  uint64_t others = 0;
  std::vector<Difference> differences;  // greatest |effect| first; q < 0.01
  // Below the spans (analysis/explain_structure.h), of the newest traces with
  // spans of either side: kStructureTraces at most.
  std::vector<StructuralDifference> structure;
  bool structure_complete = true;  // no trace was left out
  std::string summary;             // both in words
  query::QueryStats stats;
};

// kInvalidArgument: a query that cannot be read, with its position.
Result<Explanation> Explain(storage::TraceReader& reader,
                            const RequestContext& context,
                            const ExplainRequest& request);

}  // namespace khtrace::analysis
