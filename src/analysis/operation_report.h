// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aggregate/partial.h"
#include "analysis/grade.h"
#include "analysis/options.h"
#include "base/clock.h"
#include "model/ids.h"

// What is said of an operation: figures, grade, impact. Pure functions over
// aggregates.

namespace khtrace::analysis {

// Aggregates are kept in buckets (5 minutes; critical paths 15): a window is
// widened to whole ones.
struct Window {
  UnixNanos start;
  UnixNanos end;

  double Minutes() const {
    return static_cast<double>(end.ns - start.ns) / 60e9;
  }
};

struct Impact {
  double score = 0;        // the product of the factors
  double duration = 0;     // p95 / target
  double frequency = 0;    // log2(1 + calls a minute)
  double reliability = 0;  // 1 + 9 * error rate
  // 0 to 100: share of the greatest score in the answer.
  double rank = 0;
};

// Against the window before, of the same length.
enum class TrendDirection : uint8_t {
  kUnknown,  // too few samples in one of the windows
  kNew,      // nothing before
  kSame,     // the intervals of both p95 overlap
  kSlower,
  kFaster,
};
std::string_view TrendName(TrendDirection direction);  // "slower"
struct Trend {
  TrendDirection direction = TrendDirection::kUnknown;
  double previous_p95 = 0;  // nanoseconds; 0 without
  double change = 0;        // p95 / previous_p95 - 1
  uint64_t previous_count = 0;
};

// A span to look at.
struct Example {
  model::TraceId trace_id;
  uint64_t duration_nanos = 0;

  bool operator==(const Example&) const = default;
};

// An operation is a span name of a service, with a category: the same name as
// a server's and as a client's span may be two. Times in nanoseconds.
struct OperationReport {
  std::string service;
  std::string operation;
  std::string category;  // "" if no rule fits
  std::string kind;      // "server", …; of several, the most frequent

  uint64_t count = 0;  // spans stored
  // Spans that there were, by what their sampling says (W3C tracestate
  // `ot=th:…`): equal to count where nothing was sampled.
  double estimated_count = 0;
  double estimated_count_error = 0;  // half a 95 % interval
  double calls_per_min = 0;          // of estimated_count
  uint64_t errors = 0;
  double error_rate = 0;  // 0 to 1

  double avg = 0, p50 = 0, p75 = 0, p95 = 0, p99 = 0;
  Interval p95_interval;  // 95 %
  double error_p50 = 0;   // of spans with an error; 0 without
  aggregate::LatencyHistogram durations;

  std::optional<Targets> targets;
  double over_target = 0;  // max(0, p95 - target)
  std::optional<Grade> grade;
  std::optional<Grade> latency_grade;  // without the cap by errors
  double grade_confidence = 0;         // 0 to 1; of latency_grade
  // Why there is no grade: "insufficient_data", "no_target"; else "".
  std::string no_grade;
  AlertLevel alert_level = AlertLevel::kOk;
  // In words: "p95 78 ms is 1.6× the 50 ms target; 61 % of it in vector_search"
  std::string reason;

  Trend trend;
  Impact impact;
  // Nanoseconds on critical paths of traces, their share of those of all
  // operations, and the traces with the operation on their path.
  uint64_t critical_nanos = 0;
  double critical_path_share = 0;
  uint64_t critical_traces = 0;
  // Time on critical paths that would be saved if no call took longer than
  // the target: critical_nanos by the share of duration above it. An estimate.
  double recoverable_nanos_per_hour = 0;

  std::vector<Example> slowest;  // at most 5, the slowest first
  std::vector<Example> typical;  // at most 10, drawn at random
};

struct ReportInput {
  const aggregate::Partial* current = nullptr;
  const aggregate::Partial* previous = nullptr;  // may be nullptr
  Window window;
  // What critical paths were counted in: their buckets are wider. Empty: the
  // window.
  Window path_window;
  const AnalysisOptions* options = nullptr;
};

// One for each operation, by impact score, greatest first; ties by service and
// name. Operations without a target come behind, by their time in all.
std::vector<OperationReport> ReportOperations(const ReportInput& input);

// Grade of many operations together: the mean of their grades (A 4 … F 0)
// weighted by impact score, rounded to the nearest; nullopt without any graded.
std::optional<Grade> RollUp(const std::vector<const OperationReport*>& parts);

// A service by the spans with which it is entered (kind server or consumer;
// all of its spans if there are none).
struct ServiceReport {
  std::string service;
  uint64_t count = 0;
  double calls_per_min = 0;
  uint64_t errors = 0;
  double error_rate = 0;
  double p50 = 0, p95 = 0, p99 = 0;
  std::optional<Grade> grade;
  std::vector<const OperationReport*> operations;  // of the report it is from
};
std::vector<ServiceReport> ReportServices(
    const ReportInput& input, const std::vector<OperationReport>& operations);

// Over time: for charts.
struct TimePoint {
  UnixNanos start;  // of the bucket
  uint64_t count = 0;
  uint64_t errors = 0;
  double p50 = 0, p95 = 0, p99 = 0;  // 0 without spans
};
// Of the operation, or of a service's entries if `operation` is empty, or of
// all entries if `service` is empty too. One for each bucket of `minutes`
// (a multiple of 5) in the window; `series` has been aggregated with that step.
std::vector<TimePoint> SeriesOf(const aggregate::Partial& series, Window window,
                                uint32_t minutes, std::string_view service,
                                std::string_view operation);

// Series of each service's entries, and of all services' together.
struct Curves {
  std::map<std::string, std::vector<TimePoint>> services;
  std::vector<TimePoint> all;
};
// As SeriesOf().
Curves CurvesOf(const aggregate::Partial& series, Window window,
                uint32_t minutes);

}  // namespace khtrace::analysis
