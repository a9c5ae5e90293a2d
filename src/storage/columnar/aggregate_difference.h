// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "aggregate/partial.h"
#include "aggregate/partial_builder.h"
#include "base/request_context.h"
#include "model/span_batch_builder.h"
#include "storage/columnar/query_losses.h"
#include "storage/columnar/split_traces.h"

namespace khtrace::storage::columnar {

// Whole traces against what was told of them before: of their pieces, or of
// the spans that had come by then. Merging Take() to what was told gives what
// the whole traces tell. Confined to one thread.
class AggregateDifference {
 public:
  using Rows = std::vector<model::RowRef>;

  // The batches stay as long as Hold() keeps them, or longer.
  void Add(const Rows& rows) { added_.AddTrace(linker_.Link(rows)); }
  void TakeAway(const Rows& rows) { taken_.AddTrace(linker_.Link(rows)); }
  // Keeps the batch as long as needed.
  void Hold(model::SpanBatchPtr batch) { held_.push_back(std::move(batch)); }
  // After each trace. True now and then: time for RequestContext::Check.
  bool EndTrace();
  aggregate::Partial Take();

 private:
  // Traces put together before their batches are let go.
  static constexpr size_t kTracesHeld = 256;

  aggregate::PartialBuilder added_;
  aggregate::PartialBuilder taken_;
  aggregate::TraceLinker linker_;
  std::vector<model::SpanBatchPtr> held_;
  size_t traces_ = 0;
};

// Appends all rows of a batch.
void AddRows(const model::SpanBatchPtr& batch, AggregateDifference::Rows* rows);

// The pieces of a trace in parts; what is damaged is noted in `losses` and
// left out.
Status ReadPieces(const RequestContext& context, const SplitTrace& trace,
                  QueryLosses* losses,
                  std::vector<model::SpanBatchPtr>* pieces);

}  // namespace khtrace::storage::columnar
