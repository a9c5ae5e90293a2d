// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "model/span_batch.h"

// For tests, fuzzers and benchmarks only: random spans that use every corner
// of the model, and one text form in which two spans can be compared whatever
// batches, codes and orders they live in.

namespace khtrace::model {

struct RandomBatchOptions {
  uint32_t span_count = 50;
  // Spans are spread over these many traces; parents lie in the same trace.
  uint32_t trace_count = 8;
  uint32_t resource_count = 3;
  uint32_t scopes_per_resource = 2;
  uint32_t max_attributes = 8;  // per span, event, link, scope, resource
  uint32_t max_events = 3;      // and links, per span
  int max_nesting = 3;          // levels of arrays and kvlists; 0 = none
  // Spans start within `window_ns` after `start`.
  UnixNanos start{1'767'225'600'000'000'000};  // 2026-01-01
  uint64_t window_ns = 60'000'000'000;
  // Empty, Unicode, control characters, quotes, NUL; texts of 300 bytes.
  bool odd_strings = true;
  // Start 0, the greatest time, ends before starts.
  bool odd_times = false;
};

// Valid spans (ids not zero, texts well-formed UTF-8, distinct keys). The
// same seed and options give the same batch. Span ids are distinct.
SpanBatch RandomBatchForTesting(uint64_t seed,
                                const RandomBatchOptions& options = {});

// Everything of span `row`, its scope and its resource, one fact a line,
// attributes sorted by key. Equal texts = equal spans.
std::string DescribeSpan(const SpanBatch& batch, RowIndex row);
// DescribeSpan of all rows, sorted: equal for equal sets of spans.
std::string DescribeBatch(const SpanBatch& batch);

}  // namespace khtrace::model
