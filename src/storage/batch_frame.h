// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "model/span_batch.h"
#include "model/span_batch_builder.h"
#include "storage/trace_frame.h"

namespace khtrace::storage {

// A frame over spans in memory. `rows`: whole traces, each one's rows together
// and in order of (start, span id, kind), none twice. `batches` keeps alive
// what they point into.
std::unique_ptr<TraceFrame> MakeBatchFrame(
    std::shared_ptr<const FrameRequest> request,
    std::vector<model::RowRef> rows, std::vector<model::SpanBatchPtr> batches);

}  // namespace khtrace::storage
