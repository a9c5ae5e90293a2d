// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "aggregate/partial_builder.h"

// Which errors there were: exception events, and spans that failed without.

namespace khtrace::aggregate {

// Marks what lies above each failed span, and stops where that is done.
void PartialBuilder::FindOrigins() {
  const std::span<const uint32_t> parents = trace_->tree->parents();
  failed_below_.assign(parents.size(), 0);
  if (!has_failed_) return;
  for (uint32_t i = 0; i < parents.size(); ++i) {
    if (!failed(i)) continue;
    for (uint32_t up = parents[i]; up != kNoRow && failed_below_[up] == 0;
         up = parents[up]) {
      failed_below_[up] = 1;
    }
  }
}

void PartialBuilder::AddErrors() {
  if (!has_failed_ && !has_events_) return;
  FindOrigins();
  for (uint32_t i = 0; i < trace_->spans.size(); ++i) {
    exceptions_.clear();
    if (span(i).has_events) details_->AppendExceptions(i, &exceptions_);
    for (const ErrorFacts& error : exceptions_) AddError(i, error);
    if (exceptions_.empty() && failed(i)) AddError(i, details_->ErrorOf(i));
  }
}

void PartialBuilder::AddError(uint32_t row, const ErrorFacts& error) {
  ErrorKey key;
  key.service = span(row).service;
  key.operation = span(row).name;
  key.type = error.type;
  key.message = error.message;
  key.frame = error.frame;
  key.frames = error.frames;
  key.minute = Bucket<ErrorKey>(row);
  ErrorCell& cell = partial_.errors[key];
  const UnixNanos start{trace_->starts[row]};
  ++cell.count;
  cell.failed += failed(row);
  cell.origins += failed_below_[row] == 0;
  cell.first = std::min(cell.first, Earliest{start, trace_->id});
  cell.last = std::max(cell.last, Latest{start});
}

}  // namespace khtrace::aggregate
