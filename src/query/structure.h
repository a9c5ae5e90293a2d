// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "query/frame_eval.h"
#include "query/frame_tree.h"
#include "traceql/ast.h"

namespace khtrace::query {

// The structural operators on all traces of a frame at once: the rows of
// `right` that are a child (descendant, parent, …) of some row of `left`, of
// none, or those of both sides that take part. `segments`: only rows of one
// segment are related; nullptr: of one trace. `op` is neither kAnd nor kOr.
Mask Relate(traceql::SpansetOp op, FrameTree& tree, const Mask& left,
            const Mask& right, const std::vector<uint32_t>* segments);

}  // namespace khtrace::query
