// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/critical_path.h"
#include "analysis/grade.h"
#include "analysis/options.h"
#include "analysis/recommendation.h"
#include "model/span_batch.h"

// What is to be said of one trace. Pure.

namespace khtrace::analysis {

// Equal siblings: spans of one parent with the same service and name.
struct RepeatedGroup {
  std::string service;
  std::string operation;
  std::string statement;  // normalised db.query.text; "" without
  model::RowIndex parent = 0;
  uint32_t count = 0;
  uint64_t total_nanos = 0;
  bool sequential = false;  // each began after the one before had ended
};

struct SpanJudgement {
  model::RowIndex row = 0;
  std::string category;
  std::optional<Grade> grade;  // by the span's own duration
  uint64_t self_nanos = 0;
  uint64_t critical_nanos = 0;
};

struct TraceReport {
  model::TraceId trace_id;
  UnixNanos start;
  uint64_t duration_nanos = 0;  // from the earliest start to the latest end
  uint32_t span_count = 0;
  uint32_t service_count = 0;
  uint32_t error_count = 0;
  uint32_t depth = 0;            // of the deepest span; a root has 1
  uint32_t missing_parents = 0;  // spans whose parent is not here
  uint32_t roots = 0;            // spans without parent
  std::optional<Grade> grade;    // of the root
  std::string category;
  // "fast" < 200 ms <= "medium" < 1 s <= "slow".
  std::string speed;
  CriticalPath path;
  std::vector<PathShare> path_shares;   // by operation, greatest first
  std::vector<SpanJudgement> spans;     // by row
  std::vector<RepeatedGroup> repeated;  // of 3 and more, most time first
  // Rows of spans with an error below which nothing failed.
  std::vector<model::RowIndex> error_origins;
};

// `trace`: all spans of one trace, ordered as TraceReader::GetTrace gives them.
TraceReport ReportTrace(const model::SpanBatch& trace,
                        const AnalysisOptions& options);

// Of the critical path, by service.
struct ServiceShare {
  std::string service;  // "" without service.name
  uint64_t nanos = 0;
  double share = 0;
};

// What a list says of a trace; as the report of it.
struct TraceRow {
  std::optional<Grade> grade;  // of the root
  std::string category;
  std::vector<ServiceShare> path;  // greatest first
};
TraceRow DescribeTrace(const model::SpanBatch& trace,
                       const AnalysisOptions& options);

}  // namespace khtrace::analysis
