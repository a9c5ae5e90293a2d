// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "aggregate/partial_builder.h"

// Which errors there were: exception events, and spans that failed without.

namespace khtrace::aggregate {

using model::SpanBatch;

// Marks what lies above each failed span, and stops where that is done.
bool PartialBuilder::FindOrigins() {
  const std::span<const uint32_t> parents = trace_->tree->parents();
  bool any = false;
  for (uint32_t i = 0; i < parents.size(); ++i) {
    if (failed_[i] == 0) continue;
    if (!any) failed_below_.assign(parents.size(), 0);
    any = true;
    for (uint32_t up = parents[i]; up != kNoRow && failed_below_[up] == 0;
         up = parents[up]) {
      failed_below_[up] = 1;
    }
  }
  return any;
}

void PartialBuilder::AddErrors() {
  if (!FindOrigins()) failed_below_.assign(trace_->rows.size(), 0);
  for (uint32_t i = 0; i < trace_->rows.size(); ++i) {
    if (AddExceptions(i) || failed_[i] == 0) continue;
    const model::RowRef& ref = trace_->rows[i];
    const SpanBatch& batch = *ref.batch;
    const model::StringCode type =
        FindTexts(batch, batch.spans().attributes[ref.row])[kErrorType];
    ErrorKey key;
    if (type != kNoCode) key.type = TextOf(batch, type);
    key.message = MessageOf(batch, batch.spans().status_message[ref.row]);
    AddError(i, key);
  }
}

// Whether there were any.
bool PartialBuilder::AddExceptions(uint32_t row) {
  const model::RowRef& ref = trace_->rows[row];
  const SpanBatch& batch = *ref.batch;
  const model::AttrRange range = batch.EventRange(ref.row);
  bool any = false;
  for (uint32_t event = range.begin; event < range.end; ++event) {
    const TextId name = TextOf(batch, batch.events().name[event]);
    if (partial_.Text(name) != "exception") continue;
    any = true;
    const KnownTexts texts = FindTexts(batch, batch.events().attributes[event]);
    ErrorKey key;
    if (texts[kExceptionType] != kNoCode) {
      key.type = TextOf(batch, texts[kExceptionType]);
    }
    if (texts[kExceptionMessage] != kNoCode) {
      key.message = MessageOf(batch, texts[kExceptionMessage]);
    }
    if (texts[kExceptionStacktrace] != kNoCode) {
      const auto& [top, hash] =
          frames_[FramesOf(batch, texts[kExceptionStacktrace])];
      key.frame = top;
      key.frames = hash;
    }
    AddError(row, key);
  }
  return any;
}

void PartialBuilder::AddError(uint32_t row, ErrorKey key) {
  key.service = service_[row];
  key.operation = name_[row];
  key.minute = Bucket<ErrorKey>(row);
  ErrorCell& cell = partial_.errors[key];
  const UnixNanos start{trace_->starts[row]};
  ++cell.count;
  cell.failed += failed_[row];
  cell.origins += failed_below_[row] == 0;
  cell.first = std::min(cell.first, Earliest{start, trace_->id});
  cell.last = std::max(cell.last, Latest{start});
}

}  // namespace khtrace::aggregate
