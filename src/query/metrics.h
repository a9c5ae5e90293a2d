// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/request_context.h"
#include "base/result.h"
#include "query/metrics_cache.h"
#include "query/search.h"
#include "storage/trace_store.h"
#include "traceql/ast.h"

namespace khtrace::query {

struct MetricsResult;

// Told while a metrics query runs, by one thread at a time.
struct MetricsProgress {
  // No more often than this, but once before the first unit.
  std::chrono::nanoseconds every = std::chrono::milliseconds(500);
  // What was counted so far: samples that change until the end, and none that
  // goes. Without series where samples may go: of arithmetic, second stages and
  // compare(), and of more series than the answer may have. No exemplars.
  std::function<void(const MetricsResult& so_far)> tell;
};

// A TraceQL query that asks for time series.
struct MetricsRequest {
  const traceql::Query* query = nullptr;  // is_metrics(); outlives the call
  UnixNanos start;
  UnixNanos end;
  // Width of an interval in nanoseconds; 0: TimeAxis::DefaultStep.
  uint64_t step_nanos = 0;
  bool instant = false;        // one value over (start, end]
  size_t max_exemplars = 100;  // 0: none; the hint `exemplars` wins
  size_t max_series = 1000;    // 0: no limit
  // Threads that may help; nullptr: none.
  Executor* helpers = nullptr;
  // What is known from earlier queries; nullptr: nothing.
  MetricsCache* cache = nullptr;
  // Of an instant query: units with an identity have no span that starts
  // outside (start, end], so that what they gave counts for every range as
  // wide.
  bool sliding = false;
  // For perf:category and perf:grade; nullptr: these are refused. Outlives the
  // call.
  const SpanJudge* judge = nullptr;
  // nullptr: nobody wants it. Outlives the call.
  const MetricsProgress* progress = nullptr;
};

// The intervals of a range query. Interval i is (start + i * step,
// start + (i + 1) * step], its timestamp the end of it. Start and end are on
// multiples of the step; there is one interval before the one that the
// request's start begins, for spans exactly there.
struct TimeAxis {
  // Modulo 2^64: of a request that starts before step_ns, it lies before 1970.
  uint64_t start_ns = 0;
  uint64_t step_ns = 0;
  size_t intervals = 0;
  // Of an instant query, start and end are the request's, off the step.
  uint64_t end_ns = 0;

  // A 240th of the range, rounded down to a multiple of the largest round
  // duration within it: of 50 ms below a minute, else of 1 s, 5 s, 15 s, 1 min,
  // 5 min or 1 h.
  static uint64_t DefaultStep(uint64_t range_ns);
  // kInvalidArgument: end not after start, or more than kMaxIntervals in the
  // range ("step of X is too small, minimum step for given range is Y").
  static Result<TimeAxis> Make(const MetricsRequest& request);

  static constexpr size_t kMaxIntervals = 10'000;
  static constexpr size_t kOutside = SIZE_MAX;
  // Where a span belongs that starts then; kOutside if nowhere.
  size_t IndexOf(uint64_t start_of_span_ns) const;
  // Seconds of an interval, what rate() divides by.
  double Seconds() const;
  int64_t TimestampMs(size_t interval) const;
};

// `value` has nil for the one label of series that have none of the values.
struct Label {
  std::string key;
  traceql::Static value;

  bool operator==(const Label&) const = default;
};

struct Exemplar {
  // The series', trace:id and, where the function has an attribute, that.
  std::vector<Label> labels;
  size_t interval = 0;  // of its span; says which sample it belongs to
  double value = 0;
  int64_t timestamp_ms = 0;
};

struct Series {
  std::vector<Label> labels;
  std::vector<double> values;  // by interval; NaN: no sample
  std::vector<Exemplar> exemplars;
};

struct MetricsResult {
  TimeAxis axis;
  std::vector<Series> series;  // ordered: number of labels, keys, values
  QueryStats stats;
  bool partial = false;  // `message` tells why
  std::string message;
};

// Errors as Search.
Result<MetricsResult> RunMetrics(storage::TraceReader& reader,
                                 const RequestContext& context,
                                 const MetricsRequest& request);

}  // namespace khtrace::query
