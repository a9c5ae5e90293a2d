// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "analysis/operation_report.h"
#include "base/executor.h"
#include "base/request_context.h"
#include "base/result.h"
#include "model/ids.h"
#include "query/span_judge.h"
#include "storage/trace_store.h"

// The newest traces that a query finds, whole, with as little of each span as
// structure and time need: for figures that no aggregate has. What it costs is
// bounded by numbers of traces and spans, not by the window.

namespace khtrace::analysis {

struct SampleRequest {
  // TraceQL that selects spans; their traces are taken.
  std::string query = "{ }";
  Window window;
  size_t max_traces = 10'000;
  // Of all traces together: the oldest are left out. Some 40 bytes each.
  size_t max_spans = 4'000'000;
  // Spans of a trace that are told as matched; 0: not asked for.
  size_t max_matched = 0;
  // Attributes of resources whose texts are wanted of every span.
  std::vector<std::string> resource_keys;
  Executor* helpers = nullptr;
  // For perf:category and perf:grade; nullptr: these are refused.
  const query::SpanJudge* judge = nullptr;
};

// Immutable once it is made.
struct TraceSample {
  struct Operation {
    std::string service;
    std::string name;
  };
  struct Span {
    uint64_t start = 0;
    uint64_t end = 0;  // not before the start
    // Within the trace; aggregate::kNoRow without one in it.
    uint32_t parent = 0;
    uint32_t operation = 0;
    bool matched = false;
  };
  struct Trace {
    model::TraceId id;
    UnixNanos start;
    uint32_t first = 0;  // of its spans, in order of (start, span id, kind)
    uint32_t count = 0;
    // The first span without parent; aggregate::kNoRow of a trace whose root
    // is missing.
    uint32_t root = 0;
  };

  std::span<const Span> SpansOf(const Trace& trace) const {
    return {spans.data() + trace.first, trace.count};
  }
  // Of span `i` of all and the key's place in the request; "" without one.
  const std::string& ResourceText(size_t i, size_t key) const {
    return texts[resource_texts[i * resource_keys + key]];
  }

  std::vector<Operation> operations;
  std::vector<Trace> traces;  // newest first
  std::vector<Span> spans;
  size_t resource_keys = 0;
  std::vector<std::string> texts;
  std::vector<uint32_t> resource_texts;  // for each span, its keys
  // Every trace that fits is here; else there are older ones as well.
  bool complete = true;
  uint64_t inspected_spans = 0;
};

// kInvalidArgument: a query that cannot be read, with its position, or that
// selects no spans. Otherwise as query::Search.
Result<TraceSample> TakeSample(storage::TraceReader& reader,
                               const RequestContext& context,
                               const SampleRequest& request);

}  // namespace khtrace::analysis
