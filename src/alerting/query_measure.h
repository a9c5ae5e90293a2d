// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "alerting/measurement.h"
#include "base/executor.h"
#include "query/metrics_cache.h"
#include "query/span_judge.h"
#include "storage/trace_store.h"

// Rules that are TraceQL: metrics queries and objectives.

namespace khtrace::alerting {

struct QueryTools {
  storage::TraceReader& reader;
  query::MetricsCache& cache;
  Executor* helpers = nullptr;              // threads that may help
  const query::SpanJudge* judge = nullptr;  // of perf:category and perf:grade
  // `reader` is a SharedScanReader: what its slices gave is kept for later
  // rounds.
  bool slices = false;
};

// One measurement for each series at `now`, judged. The value is the query's
// over (now - window, now]. The spans behind it (of a ratio: of what it is a
// ratio of) are counted if the rule wants a least number of them, or if a
// threshold is exceeded; a value that is itself a count needs no least number.
// Errors are those of query::RunMetrics.
Result<std::vector<Measurement>> MeasureQuery(const QueryTools& tools,
                                              const RequestContext& context,
                                              const Rule& rule, UnixNanos now);

// Of a series that MeasureQuery does not give any more. Where spans are counted
// (rate(), count_over_time(), their sums and multiples) it is 0; a ratio of
// them is, while there are spans that it is a ratio of.
std::optional<Measurement> MeasureMissingSeries(const QueryTools& tools,
                                                const RequestContext& context,
                                                const Rule& rule, UnixNanos now,
                                                const Labels& labels);

// The burn rate: how many times faster than allowed the budget of bad calls is
// used up. Two pairs of windows; both of a pair must be beyond the factor, so
// that it is serious (the long one) and still going on (the short one):
// 5 m and 1 h at 14.4 are critical, 30 m and 6 h at 6 an alert. Empty without
// calls.
Result<std::vector<Measurement>> MeasureObjective(const QueryTools& tools,
                                                  const RequestContext& context,
                                                  const Rule& rule,
                                                  UnixNanos now);

// A trace that shows it, of either kind of rule; "" if there is none.
std::string FindExample(const QueryTools& tools, const RequestContext& context,
                        const Rule& rule, UnixNanos now,
                        const Measurement& measurement);

}  // namespace khtrace::alerting
