// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/request_context.h"
#include "base/result.h"
#include "model/ids.h"
#include "query/span_judge.h"
#include "storage/trace_store.h"
#include "traceql/ast.h"
#include "traceql/order_by.h"

namespace khtrace::query {

struct SpanConditions;

// A TraceQL query that asks for spans.
struct TraceHit;
struct QueryStats;

// Told while a search runs, by one thread at a time.
struct SearchProgress {
  // No more often than this, but once before the first unit.
  std::chrono::nanoseconds every = std::chrono::milliseconds(200);
  // `found`: traces of the answer, in its order, behind those that were taken
  // before: nothing that is found later comes before them. Newest first only;
  // in another order there are none until all is known. Returns how many of
  // them were taken; the others are told again.
  std::function<size_t(std::span<const TraceHit> found,
                       const QueryStats& stats)>
      tell;
};

struct SearchRequest {
  // Parsed and checked; of a metrics query, what stands before the metric is
  // searched for. Outlives the call.
  const traceql::Query* query = nullptr;
  // What spans must meet to come into the query; nullptr: nothing. Outlives the
  // call. With it there are no cursors.
  const SpanConditions* spans = nullptr;
  // Traces with any time in [start, end].
  UnixNanos start{0};
  UnixNanos end = UnixNanos::Max();
  size_t limit = 20;  // traces
  // Of all that fit, those that come first in this order are found, exactly.
  // Without one: what the hint `order_by` says, newest first without that.
  // Equal ones: the newest first, then by trace id.
  std::optional<traceql::OrderBy> order;
  // SearchResult::next of another page of the same query and order: only
  // traces behind it. Empty: from the first one on.
  std::string after;
  // Whether SearchResult::total_… are wanted: everything in the time range is
  // looked at then.
  bool totals = false;
  // Spans told of each spanset; 0: all.
  size_t spans_per_spanset = 3;
  // More memory than this for the answer: it ends early and says so.
  size_t max_bytes = 256u << 20;
  // Threads that may help; nullptr: none.
  Executor* helpers = nullptr;
  // For perf:category and perf:grade; nullptr: these are refused. Outlives the
  // call.
  const SpanJudge* judge = nullptr;
  // nullptr: nobody wants it. Outlives the call.
  const SearchProgress* progress = nullptr;
};

// A value that a query mentioned or made. `key` is the attribute's name
// without scope, an intrinsic's canonical name, or a stage's text
// ("count()", "by(.a)").
struct NamedValue {
  std::string key;
  traceql::Static value;

  bool operator==(const NamedValue&) const = default;
};

struct SpanHit {
  model::SpanId span_id;
  std::string name;
  UnixNanos start;
  uint64_t duration_nanos = 0;
  // What the query mentioned, in its order, each once; without name, duration,
  // span:id and what belongs to the trace. What a span lacks is left out, but
  // one that is tested with "= nil" is there as nil.
  std::vector<NamedValue> values;

  bool operator==(const SpanHit&) const = default;
};

struct Spanset {
  std::vector<SpanHit> spans;      // in order of (start, span id, kind)
  uint64_t matched = 0;            // spans in the set, told or not
  std::vector<NamedValue> values;  // of by() and aggregates, in their order

  bool operator==(const Spanset&) const = default;
};

struct ServiceStats {
  std::string service;  // "" without service.name
  uint32_t span_count = 0;
  uint32_t error_count = 0;

  bool operator==(const ServiceStats&) const = default;
};

struct TraceHit {
  model::TraceId trace_id;
  // Of the earliest span without parent; empty without one.
  std::string root_service;
  std::string root_name;
  bool has_root = false;
  UnixNanos start;
  uint64_t duration_nanos = 0;  // from the earliest start to the latest end
  std::vector<Spanset> spansets;
  std::vector<ServiceStats> services;  // by name

  bool operator==(const TraceHit&) const = default;
};

// What a query read. A part here is a unit of the scan.
struct QueryStats {
  uint64_t inspected_traces = 0;
  uint64_t inspected_spans = 0;
  uint64_t inspected_bytes = 0;
  uint64_t units = 0;
  uint64_t units_done = 0;
  uint64_t units_cached = 0;
  // Units that could not be read whole, because something in them is damaged.
  uint64_t units_lost = 0;
};

struct SearchResult {
  std::vector<TraceHit> traces;  // in the order asked for
  // Where the next page begins; empty: nothing is behind this one. From page to
  // page over an unchanged store each trace that fits comes once; one that
  // comes in meanwhile is seen if it belongs behind the page. Letters and
  // digits.
  std::string next;
  // If asked for: traces that fit, and their spans in spansets; on this and all
  // other pages. Without what was lost (QueryStats::units_lost).
  std::optional<uint64_t> total_traces;
  std::optional<uint64_t> total_spans;
  QueryStats stats;
  bool truncated = false;  // by max_bytes: a shorter page
};

// kInvalidArgument: the query divides an integer by zero on some span, a
// spanset operator meets several spansets of a trace, or `after` is of another
// query or order. kDataLoss: something is damaged and nothing else answers.
Result<SearchResult> Search(storage::TraceReader& reader,
                            const RequestContext& context,
                            const SearchRequest& request);

}  // namespace khtrace::query
