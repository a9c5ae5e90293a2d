// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "model/span_batch.h"

// The adjusters of jaeger_json.h that work on a whole trace.

namespace khtrace::codec {

// A span as it will be shown: ids may differ from the stored ones.
struct JaegerSpan {
  model::RowIndex row = 0;
  model::SpanId id;
  model::SpanId parent;
};

// `rows` of `batch` as they are.
std::vector<JaegerSpan> PlainJaegerSpans(const model::SpanBatch& batch,
                                         std::span<const model::RowIndex> rows);

// Gives each server span whose id a client span has too an id of its own (the
// smallest unused one, from 1), makes it the client's child, and moves every
// other child of that id below it.
void SeparateSharedIds(const model::SpanBatch& batch,
                       std::vector<JaegerSpan>* spans);

// By start, span id, kind.
void SortJaegerSpans(const model::SpanBatch& batch,
                     std::vector<JaegerSpan>* spans);

// Whether the two cannot be told apart by what SortJaegerSpans looks at, so
// that they may be duplicates.
bool SameSortKey(const model::SpanBatch& batch, const JaegerSpan& a,
                 const JaegerSpan& b);

}  // namespace khtrace::codec
