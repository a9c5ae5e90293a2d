// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "model/ids.h"
#include "traceql/ast.h"

namespace khtrace::query {

// Which traces and spans a metrics function looks at, as the hints `sample`,
// `trace_sample` and `span_sample` say ("Sampling" in docs/traceql.md). What is
// counted stands for 1 / (traces * spans) times as much.
struct Sampling {
  // Whose share is found out where it runs: all of what is rare, a tenth of
  // what is everywhere.
  enum class Adaptive : uint8_t { kNone, kTraces, kSpans };

  double traces = 1;  // share of all, in (0, 1]
  double spans = 1;   // likewise, of those traces' spans
  // Whether spans are chosen among those that the pipeline leaves: it decides
  // by whole traces.
  bool spans_last = false;
  Adaptive adaptive = Adaptive::kNone;

  bool operator==(const Sampling&) const = default;
  bool everything() const {
    return traces == 1 && spans == 1 && adaptive == Adaptive::kNone;
  }
};

// Of a function of the query. Shares outside (0, 1) change nothing.
Sampling SamplingOf(const traceql::Query& query,
                    const traceql::Pipeline& pipeline);

// "10 % of traces, by trace id"
std::string ToString(const Sampling& sampling);

// Where a trace, and a span of it, lie in the range of all numbers: the first
// ones are the sample. Follows from the trace's id, and the span's start; so a
// smaller sample is a part of a larger one, wherever and however often it is
// taken. Two spans of a trace that start together stay together.
uint64_t SampleHash(const model::TraceId& id);
inline uint64_t SampleHash(uint64_t trace_hash, uint64_t start_nanos) {
  return Mix64(trace_hash ^ start_nanos);
}

// A part of that range.
struct SampleRange {
  uint64_t first = 0;
  uint64_t last = UINT64_MAX;

  // The part of it from share `begin` on up to `end`; of [0, 1], begin < end.
  static SampleRange Of(double begin, double end);
  bool everything() const { return first == 0 && last == UINT64_MAX; }
  bool Has(uint64_t hash) const { return hash - first <= last - first; }
};

}  // namespace khtrace::query
