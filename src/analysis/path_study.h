// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/grade.h"
#include "analysis/operation_report.h"
#include "analysis/trace_sample.h"
#include "base/executor.h"
#include "base/request_context.h"
#include "base/result.h"
#include "query/span_judge.h"
#include "storage/trace_store.h"

// What many traces waited for: fast ones against slow ones, one window or
// version against another, and what would be gained. Of the newest traces that
// fit; a trace's duration is that of its root here, which its path divides.

namespace khtrace::analysis {

struct PathStudyRequest {
  // TraceQL; "" selects every trace.
  std::string query;
  // Of the root span; "": any.
  std::string root_service;
  std::string root_operation;
  Window window;
  // Percentiles of duration between which bands lie: ascending, 1 to 99.
  std::vector<uint32_t> cuts = {50, 75, 95};
  // By how much a single operation is made faster, 1 to 99.
  uint32_t faster_percent = 10;
  // The other side of the comparison: traces of another window, or
  std::optional<Window> baseline;
  // of two versions, `versions[0]` being the baseline: traces with a span
  // whose resource has that service.version and none that has the other one;
  // if `version_service` is not empty, spans of that service.
  std::vector<std::string> versions;
  std::string version_service;
  size_t max_traces = 10'000;
  size_t max_operations = 20;  // in each list
  Executor* helpers = nullptr;
  const query::SpanJudge* judge = nullptr;
};

// An operation's part of a set's paths. Means are over all traces of the set,
// those without it included.
struct BandShare {
  std::string service;
  std::string operation;
  uint64_t traces = 0;  // on whose path it is
  double mean_nanos = 0;
  double share = 0;  // of all time on the paths
};

struct PathSet {
  std::string name;  // "p50-75", "baseline", "version 1.2"
  uint64_t traces = 0;
  double mean_nanos = 0;
  uint64_t least_nanos = 0;
  uint64_t p50_nanos = 0;
  uint64_t p95_nanos = 0;
  uint64_t p99_nanos = 0;
  uint64_t greatest_nanos = 0;
  std::vector<BandShare> shares;  // greatest first
};

// `b` minus `a`, in nanoseconds of the mean trace. The interval is of 95 %
// (normal approximation of the difference of two means).
struct PathDifference {
  std::string service;
  std::string operation;
  double a_nanos = 0;
  double b_nanos = 0;
  double a_share = 0;
  double b_share = 0;
  double difference = 0;
  Interval interval;
};

struct PathComparison {
  PathDifference total;                    // of whole paths, without a name
  std::vector<PathDifference> operations;  // greatest |difference| first
  std::string summary;                     // the same in words
};

// An estimate: every trace of the sample run again (analysis/retiming.h) with
// the operation's own time shortened. Nanoseconds by which that statistic of
// the durations falls; never below 0.
struct PathWhatIf {
  std::string service;
  std::string operation;
  uint64_t traces = 0;  // on whose path it is
  double mean_saving = 0;
  uint64_t p50_saving = 0;
  uint64_t p95_saving = 0;
  uint64_t p99_saving = 0;
};

struct PathStudy {
  std::string query;     // what selected the traces, as TraceQL
  bool complete = true;  // nothing that fits was left out
  uint64_t inspected_spans = 0;
  std::optional<UnixNanos> oldest;  // of the sample
  PathSet all;
  std::vector<PathSet> bands;  // fastest first
  // The slowest band minus the fastest.
  PathComparison slow_against_fast;
  std::vector<PathWhatIf> what_if;  // greatest saving at p95 first
  // Of two windows or versions; `sides[0]` is the baseline.
  std::vector<PathSet> sides;
  std::optional<PathComparison> comparison;
  uint64_t mixed_traces = 0;  // with spans of both versions: on no side
  bool sides_complete = true;
};

// kInvalidArgument: a query that cannot be read, or selects no spans. Of an
// empty sample bands have no traces.
Result<PathStudy> StudyPaths(storage::TraceReader& reader,
                             const RequestContext& context,
                             const PathStudyRequest& request);

}  // namespace khtrace::analysis
