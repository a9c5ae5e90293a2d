// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/aggregate_difference.h"

#include <utility>

namespace khtrace::storage::columnar {

bool AggregateDifference::EndTrace() {
  if (++traces_ % kTracesHeld != 0) return false;
  added_.ForgetBatches();
  taken_.ForgetBatches();
  held_.clear();
  return true;
}

aggregate::Partial AggregateDifference::Take() {
  aggregate::Partial difference = added_.Take();
  difference.Merge(taken_.Take(), {.subtract = true});
  return difference;
}

void AddRows(const model::SpanBatchPtr& batch,
             AggregateDifference::Rows* rows) {
  for (model::RowIndex row = 0; row < batch->row_count(); ++row) {
    rows->push_back({batch.get(), row});
  }
}

Status ReadPieces(const RequestContext& context, const SplitTrace& trace,
                  QueryLosses* losses,
                  std::vector<model::SpanBatchPtr>* pieces) {
  for (const PartPlace& place : trace.places) {
    auto piece = place.part->GetTrace(context, trace.id);
    if (!piece) {
      RETURN_IF_ERROR(losses->Excuse(*place.part, std::move(piece).error()));
    } else if (*piece != nullptr) {
      pieces->push_back(*std::move(piece));
    }
  }
  return {};
}

}  // namespace khtrace::storage::columnar
