// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "base/request_context.h"
#include "query/expression.h"
#include "query/frame_eval.h"
#include "query/sampling.h"
#include "query/spansets.h"

namespace khtrace::query {

// A pipeline of a metrics function, and what of a frame it is to run on.
struct SampledPipeline {
  PipelinePlan pipeline;
  Sampling sampling;
  Leaf start;  // the column of the spans' starts
  // The share was to be found out, and `sampling` is everything instead: to
  // choose spans costs as much as to test and count them.
  bool cheap = false;
};

// Whether spans come through by comparisons of whole columns alone.
bool IsCheap(const PipelinePlan& pipeline);

// Takes the rows that came through a pipeline, each of which stands for
// `weight` spans. `eval` may be that of another frame than the one that was
// given, with some of its traces.
using WeightedRows =
    std::function<Status(FrameEval& eval, const Mask& rows, double weight)>;

// Runs the pipeline on the sample of the frame, which may take two calls of
// `visit`: where the share is to be found out, a small part is looked at first,
// which counts for itself alone; how much of it matched says how much of the
// rest is looked at. Both follow from hashes of ids, so that weights times rows
// are right on average. Does nothing with a frame without matches.
Status RunSampled(const SampledPipeline& plan, const RequestContext& context,
                  FrameEval& eval, const WeightedRows& visit);

}  // namespace khtrace::query
