// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "query/expression.h"
#include "query/frame_eval.h"
#include "query/search.h"
#include "traceql/ast.h"

// Pipelines, made ready to run on frames: all spansets of a frame are handled
// together, as a mask of rows with a segment for each row.

namespace khtrace::query {

// The spansets of a frame. A segment is a spanset; no row is in two.
struct Spansets {
  struct Segment {
    uint32_t trace = 0;
    uint32_t parent = 0;  // the segment of the pipeline's input it is part of
    std::vector<NamedValue> values;
  };
  Mask rows;
  // By row, where `rows` is set; empty: each trace is one segment.
  std::vector<uint32_t> segment_of;
  std::vector<Segment> segments;
  // Some by() was there: segments may be parts of traces.
  bool grouped = false;

  bool by_trace() const { return segment_of.empty(); }
};

struct PipelinePlan;

// A spanset expression: a filter, an operation on two, or a whole pipeline.
struct SpansetPlan {
  std::optional<Expr> filter;
  traceql::SpansetOp op = traceql::SpansetOp::kAnd;
  std::unique_ptr<SpansetPlan> left;
  std::unique_ptr<SpansetPlan> right;
  std::unique_ptr<PipelinePlan> pipeline;
};

// An aggregate of a spanset, a constant, or what is calculated of such.
struct ScalarPlan {
  enum class Kind : uint8_t {
    kConstant,
    kAggregate,
    kNegate,
    kBinary,
    kPipeline,  // `op` over the spansets of `pipeline`
  };
  Kind kind = Kind::kConstant;
  Value constant;
  traceql::AggregateOp op = traceql::AggregateOp::kCount;
  std::optional<Expr> operand;
  std::string text;  // of an aggregate or a pipeline with one
  traceql::BinaryOp binary = traceql::BinaryOp::kAdd;
  std::vector<ScalarPlan> children;
  std::unique_ptr<PipelinePlan> pipeline;
  const traceql::ScalarExpr* source = nullptr;
};

struct ScalarFilterPlan {
  traceql::BinaryOp op = traceql::BinaryOp::kEqual;
  ScalarPlan left;
  ScalarPlan right;
};

struct GroupPlan {
  Expr key;
  std::string text;  // "by(.a)"
};

struct CoalescePlan {};

using StagePlan =
    std::variant<SpansetPlan, ScalarFilterPlan, GroupPlan, CoalescePlan>;

struct PipelinePlan {
  std::vector<StagePlan> stages;  // select() does nothing here
};

// `pipeline` outlives the result.
Result<PipelinePlan> MakePipeline(const traceql::Pipeline& pipeline,
                                  ColumnSet* columns);

// What SearchRequest::spans asks, as a pipeline's first stage. `conditions`
// outlives the result.
SpansetPlan MakeFilter(const SpanConditions& conditions, ColumnSet* columns);

// What MayMatch looks at, or nullptr; of an operator, its right side, and its
// left side if NeedsLeft.
const SpansetPlan* PruningStage(const PipelinePlan& plan);
bool NeedsLeft(traceql::SpansetOp op);
// False if certainly no trace of the frame comes through; cheap.
Result<bool> MayMatch(const PipelinePlan& plan, FrameEval& eval);
// Takes `sets` through the pipeline.
Status RunPipeline(const PipelinePlan& plan, FrameEval& eval, Spansets* sets);
// All rows of all traces that are not excluded.
Result<Spansets> AllSpans(FrameEval& eval);

}  // namespace khtrace::query
