// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "storage/trace_store.h"

namespace khtrace::storage {

// The traces of one frame that are whole in it.
inline Result<std::vector<model::TraceId>> TraceIdsOfForTesting(
    TraceFrame& frame) {
  ASSIGN_OR_RETURN(const FrameTraces* traces, frame.Traces());
  ASSIGN_OR_RETURN(const auto* ids, frame.TraceIds());
  std::vector<model::TraceId> whole;
  for (uint32_t i = 0; i < ids->size(); ++i) {
    const auto& excluded = traces->excluded;
    if (!std::binary_search(excluded.begin(), excluded.end(), i)) {
      whole.push_back((*ids)[i]);
    }
  }
  return whole;
}

// Ids of the stored traces as a scan goes through them, each once unless the
// store errs. What is corrupt is noted and left out, as queries do.
inline Result<std::vector<model::TraceId>> StoredTraceIdsForTesting(
    TraceReader& reader, const RequestContext& context) {
  ASSIGN_OR_RETURN(const auto scan, reader.Scan(context, {}));
  std::vector<model::TraceId> all;
  for (size_t unit = 0; unit < scan->unit_count(); ++unit) {
    auto ids = [&]() -> Result<std::vector<model::TraceId>> {
      ASSIGN_OR_RETURN(const auto frame, scan->Open(context, unit));
      return TraceIdsOfForTesting(*frame);
    }();
    if (!ids && ids.error().code == Code::kDataLoss) {
      scan->NoteLoss(unit, ids.error());
      continue;
    }
    if (!ids) return std::move(ids).error();
    all.insert(all.end(), ids->begin(), ids->end());
  }
  return all;
}

}  // namespace khtrace::storage
