// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/request_context.h"
#include "base/result.h"
#include "model/ids.h"
#include "storage/trace_store.h"
#include "traceql/ast.h"

namespace khtrace::query {

// A TraceQL query that asks for spans.
struct SearchRequest {
  // Parsed and checked; of a metrics query, what stands before the metric is
  // searched for. Outlives the call.
  const traceql::Query* query = nullptr;
  // Traces with any time in [start, end].
  UnixNanos start{0};
  UnixNanos end = UnixNanos::Max();
  size_t limit = 20;  // traces
  // Spans told of each spanset; 0: all.
  size_t spans_per_spanset = 3;
  // More memory than this for the answer: it ends early and says so.
  size_t max_bytes = 256u << 20;
  // Threads that may help; nullptr: none.
  Executor* helpers = nullptr;
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
  std::vector<TraceHit> traces;  // newest start first, ties by trace id
  QueryStats stats;
  bool truncated = false;  // by max_bytes
};

// kInvalidArgument: the query divides an integer by zero on some span, or a
// spanset operator meets several spansets of a trace. kDataLoss: something is
// damaged and nothing else answers.
Result<SearchResult> Search(storage::TraceReader& reader,
                            const RequestContext& context,
                            const SearchRequest& request);

}  // namespace khtrace::query
