// SPDX-License-Identifier: Apache-2.0
#include "query/spansets.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cmath>
#include <utility>

#include "query/structure.h"
#include "traceql/printer.h"

namespace khtrace::query {
namespace {

using traceql::AggregateOp;
using traceql::BinaryOp;
using traceql::SpansetOp;
using traceql::Type;

// A later value of the same name replaces one.
void SetValue(NamedValue value, std::vector<NamedValue>* values) {
  const auto at = std::find_if(
      values->begin(), values->end(),
      [&value](const NamedValue& known) { return known.key == value.key; });
  if (at == values->end()) {
    values->push_back(std::move(value));
  } else {
    at->value = std::move(value.value);
  }
}

// Runs plans on one frame.
class Runner {
 public:
  explicit Runner(FrameEval& eval) : eval_(eval) {}

  Status Run(const PipelinePlan& plan, Spansets* sets);

 private:
  template <typename Body>
  Status Counted(const void* plan, const Mask& rows, const Body& body);
  Result<Mask> Select(const SpansetPlan& plan, const Spansets& sets);
  Result<Mask> SelectPipeline(const PipelinePlan& plan, const Spansets& sets);
  Mask Combine(SpansetOp op, const Spansets& sets, const Mask& left,
               const Mask& right);
  Mask Both(const Spansets& sets, const Mask& left, const Mask& right);

  Status Apply(const SpansetPlan& plan, Spansets* sets);
  Status Apply(const ScalarFilterPlan& plan, Spansets* sets);
  Status Apply(const GroupPlan& plan, Spansets* sets);
  Status Apply(const CoalescePlan& plan, Spansets* sets);

  // A value for each segment; nil where there is none.
  using Scalars = std::vector<traceql::Static>;
  Result<Scalars> Evaluate(const ScalarPlan& plan, Spansets* sets);
  Result<Scalars> Aggregate(const ScalarPlan& plan, const Spansets& sets);
  Result<Scalars> EvaluateInner(const ScalarPlan& plan, const Spansets& sets);
  Result<Scalars> Calculated(const ScalarPlan& plan, Spansets* sets);
  static void SetValues(const std::string& key, const Scalars& values,
                        Spansets* sets);

  uint32_t SegmentOf(const Spansets& sets, uint32_t row) {
    return sets.by_trace() ? eval_.tree().trace_of(row) : sets.segment_of[row];
  }
  size_t SegmentCount(const Spansets& sets) {
    return sets.by_trace() ? eval_.tree().trace_count() : sets.segments.size();
  }
  // Gives each trace a segment that can hold values.
  void MakeSegments(Spansets* sets);

  FrameEval& eval_;
  Mask pipeline_rows_;  // of the scalar filter that is evaluated
};

void Runner::MakeSegments(Spansets* sets) {
  if (!sets->by_trace()) return;
  const size_t rows = sets->rows.size();
  sets->segment_of.resize(rows);
  for (uint32_t row = 0; row < rows; ++row) {
    sets->segment_of[row] = eval_.tree().trace_of(row);
  }
  sets->segments.resize(eval_.tree().trace_count());
  for (uint32_t t = 0; t < sets->segments.size(); ++t) {
    sets->segments[t].trace = t;
    sets->segments[t].parent = t;
  }
}

// Runs an operator that takes the rows that are set and leaves `rows`.
template <typename Body>
Status Runner::Counted(const void* plan, const Mask& rows, const Body& body) {
  Profile* const profile = eval_.profile();
  if (profile == nullptr) return body();
  const Stopwatch watch;
  const uint64_t rows_in = CountSet(rows);
  RETURN_IF_ERROR(body());
  OperatorCounts& counts = profile->Of(plan);
  ++counts.units;
  counts.rows_in += rows_in;
  counts.rows_out += CountSet(rows);
  counts.nanos += watch.Nanos();
  return {};
}

Status Runner::Run(const PipelinePlan& plan, Spansets* sets) {
  for (const StagePlan& stage : plan.stages) {
    if (!AnySet(sets->rows)) return {};
    const auto apply = [&] {
      return std::visit([&](const auto& s) { return Apply(s, sets); }, stage);
    };
    // What selects counts itself, down to its conditions.
    RETURN_IF_ERROR(std::holds_alternative<SpansetPlan>(stage)
                        ? apply()
                        : Counted(&stage, sets->rows, apply));
  }
  return {};
}

Status Runner::Apply(const SpansetPlan& plan, Spansets* sets) {
  ASSIGN_OR_RETURN(sets->rows, Select(plan, *sets));
  return {};
}

Result<Mask> Runner::Select(const SpansetPlan& plan, const Spansets& sets) {
  if (plan.filter) {
    Mask rows = sets.rows;
    RETURN_IF_ERROR(eval_.Filter(*plan.filter, &rows));
    return rows;
  }
  if (plan.pipeline) return SelectPipeline(*plan.pipeline, sets);
  Mask out = sets.rows;
  RETURN_IF_ERROR(Counted(&plan, out, [&]() -> Status {
    ASSIGN_OR_RETURN(const Mask left, Select(*plan.left, sets));
    ASSIGN_OR_RETURN(const Mask right, Select(*plan.right, sets));
    RETURN_IF_ERROR(eval_.tree().Load());
    out = Combine(plan.op, sets, left, right);
    return {};
  }));
  return out;
}

// What an operator works with is one spanset a side.
Result<Mask> Runner::SelectPipeline(const PipelinePlan& plan,
                                    const Spansets& sets) {
  RETURN_IF_ERROR(eval_.tree().Load());
  Spansets inner = sets;
  MakeSegments(&inner);
  for (uint32_t s = 0; s < inner.segments.size(); ++s) {
    inner.segments[s].parent = s;
  }
  const size_t outer_count = inner.segments.size();
  RETURN_IF_ERROR(Run(plan, &inner));
  constexpr uint32_t kNone = UINT32_MAX;
  std::vector<uint32_t> seen(outer_count, kNone);
  for (uint32_t row = 0; row < inner.rows.size(); ++row) {
    if (inner.rows[row] == 0) continue;
    const uint32_t segment = inner.segment_of[row];
    uint32_t& known = seen[inner.segments[segment].parent];
    if (known == kNone) known = segment;
    if (known == segment) continue;
    return Error{Code::kInvalidArgument,
                 "spanset operators are not supported for multiple spansets "
                 "per trace. consider using coalesce()"};
  }
  return std::move(inner.rows);
}

Mask Runner::Both(const Spansets& sets, const Mask& left, const Mask& right) {
  std::vector<uint8_t> sides(SegmentCount(sets));
  for (uint32_t row = 0; row < left.size(); ++row) {
    const int side = left[row] | (right[row] << 1);
    if (side != 0) sides[SegmentOf(sets, row)] |= static_cast<uint8_t>(side);
  }
  Mask out(left.size());
  for (uint32_t row = 0; row < out.size(); ++row) {
    if ((left[row] | right[row]) == 0) continue;
    out[row] = sides[SegmentOf(sets, row)] == 3;
  }
  return out;
}

Mask Runner::Combine(SpansetOp op, const Spansets& sets, const Mask& left,
                     const Mask& right) {
  if (op == SpansetOp::kAnd) return Both(sets, left, right);
  if (op == SpansetOp::kOr) {
    Mask out(left.size());
    for (size_t row = 0; row < out.size(); ++row) {
      out[row] = left[row] | right[row];
    }
    return out;
  }
  const std::vector<uint32_t>* segments =
      sets.grouped ? &sets.segment_of : nullptr;
  return Relate(op, eval_.tree(), left, right, segments);
}

Status Runner::Apply(const ScalarFilterPlan& plan, Spansets* sets) {
  RETURN_IF_ERROR(eval_.tree().Load());
  MakeSegments(sets);
  pipeline_rows_.clear();
  ASSIGN_OR_RETURN(const Scalars left, Evaluate(plan.left, sets));
  ASSIGN_OR_RETURN(const Scalars right, Evaluate(plan.right, sets));
  std::vector<uint8_t> keeps(sets->segments.size());
  for (size_t s = 0; s < keeps.size(); ++s) {
    keeps[s] =
        Compare(plan.op, FromStatic(left[s]), FromStatic(right[s])) ? 1 : 0;
  }
  // Of whole pipelines that are compared, their spans come through.
  if (!pipeline_rows_.empty()) sets->rows = std::exchange(pipeline_rows_, {});
  for (uint32_t row = 0; row < sets->rows.size(); ++row) {
    if (sets->rows[row] != 0) sets->rows[row] = keeps[sets->segment_of[row]];
  }
  return {};
}

Result<Runner::Scalars> Runner::Evaluate(const ScalarPlan& plan,
                                         Spansets* sets) {
  switch (plan.kind) {
    case ScalarPlan::Kind::kConstant:
      return Scalars(sets->segments.size(), ToStatic(plan.constant));
    case ScalarPlan::Kind::kAggregate: {
      ASSIGN_OR_RETURN(Scalars values, Aggregate(plan, *sets));
      SetValues(plan.text, values, sets);
      return values;
    }
    case ScalarPlan::Kind::kPipeline: {
      ASSIGN_OR_RETURN(Scalars values, EvaluateInner(plan, *sets));
      SetValues(plan.text, values, sets);
      return values;
    }
    default:
      return Calculated(plan, sets);
  }
}

void Runner::SetValues(const std::string& key, const Scalars& values,
                       Spansets* sets) {
  for (size_t s = 0; s < values.size(); ++s) {
    if (values[s].type() == Type::kNil) continue;
    SetValue({key, values[s]}, &sets->segments[s].values);
  }
}

Result<Runner::Scalars> Runner::Calculated(const ScalarPlan& plan,
                                           Spansets* sets) {
  ASSIGN_OR_RETURN(Scalars out, Evaluate(plan.children[0], sets));
  if (plan.kind == ScalarPlan::Kind::kNegate) {
    for (traceql::Static& value : out) {
      value = ToStatic(Negate(FromStatic(value)));
    }
    return out;
  }
  ASSIGN_OR_RETURN(const Scalars right, Evaluate(plan.children[1], sets));
  bool by_zero = false;
  for (size_t s = 0; s < out.size(); ++s) {
    out[s] = ToStatic(query::Calculate(plan.binary, FromStatic(out[s]),
                                       FromStatic(right[s]), &by_zero));
  }
  if (!by_zero) return out;
  return Error{Code::kInvalidArgument,
               "division by zero in " + traceql::Print(*plan.source)};
}

// An aggregate over another pipeline: over what of each segment comes through.
Result<Runner::Scalars> Runner::EvaluateInner(const ScalarPlan& plan,
                                              const Spansets& sets) {
  Spansets inner;
  inner.segment_of = sets.segment_of;
  inner.segments = sets.segments;
  ASSIGN_OR_RETURN(inner.rows, SelectPipeline(*plan.pipeline, sets));
  pipeline_rows_.resize(inner.rows.size());
  for (size_t row = 0; row < inner.rows.size(); ++row) {
    pipeline_rows_[row] |= inner.rows[row];
  }
  return Aggregate(plan, inner);
}

// What min, max, avg and sum know of the values so far.
class Fold {
 public:
  void AddSpan() { ++spans_; }
  void Add(AggregateOp op, const Value& value) {
    if (!value.numeric() || std::isnan(value.Number())) return;
    ++values_;
    if (op == AggregateOp::kMin || op == AggregateOp::kMax) {
      const auto better =
          op == AggregateOp::kMin ? BinaryOp::kLess : BinaryOp::kGreater;
      if (values_ == 1 || Compare(better, value, best_)) best_ = value;
      return;
    }
    floats_ |= value.type == Type::kFloat;
    durations_ |= value.type == Type::kDuration;
    sum_ += value.Number();
    if (value.type != Type::kFloat) whole_ += value.AsInt();
  }
  Value Finish(AggregateOp op) const {
    if (op == AggregateOp::kCount) {
      return Value::Int(static_cast<int64_t>(spans_));
    }
    if (values_ == 0) return {};
    if (op == AggregateOp::kMin || op == AggregateOp::kMax) return best_;
    const bool average = op == AggregateOp::kAvg;
    const auto count = static_cast<double>(values_);
    if (floats_) return Value::Float(average ? sum_ / count : sum_);
    if (durations_) {
      const Wide n = average ? static_cast<Wide>(values_) : 1;
      return Value::Duration(static_cast<int64_t>(whole_ / n));
    }
    if (average) return Value::Float(static_cast<double>(whole_) / count);
    return Value::Int(static_cast<int64_t>(whole_));
  }

 private:
  __extension__ using Wide = __int128;

  uint64_t spans_ = 0;
  uint64_t values_ = 0;
  Value best_;
  double sum_ = 0;
  Wide whole_ = 0;
  bool floats_ = false;
  bool durations_ = false;
};

Result<Runner::Scalars> Runner::Aggregate(const ScalarPlan& plan,
                                          const Spansets& sets) {
  std::vector<Fold> folds(SegmentCount(sets));
  if (plan.operand) RETURN_IF_ERROR(eval_.Load(*plan.operand));
  for (uint32_t row = 0; row < sets.rows.size(); ++row) {
    if (sets.rows[row] == 0) continue;
    Fold& fold = folds[SegmentOf(sets, row)];
    fold.AddSpan();
    if (plan.operand) fold.Add(plan.op, eval_.ValueOf(*plan.operand, row));
  }
  RETURN_IF_ERROR(eval_.TakeError());
  Scalars out;
  out.reserve(folds.size());
  for (const Fold& fold : folds) out.push_back(ToStatic(fold.Finish(plan.op)));
  return out;
}

Status Runner::Apply(const GroupPlan& plan, Spansets* sets) {
  RETURN_IF_ERROR(eval_.tree().Load());
  RETURN_IF_ERROR(eval_.Load(plan.key));
  MakeSegments(sets);
  sets->grouped = true;
  struct Key {
    uint32_t segment;
    Value value;
    bool operator==(const Key& other) const {
      return segment == other.segment && SameValue(value, other.value);
    }
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return HashOf(key.value) * 31 + key.segment;
    }
  };
  boost::unordered_flat_map<Key, uint32_t, KeyHash> groups;
  std::vector<Spansets::Segment> segments;
  for (uint32_t row = 0; row < sets->rows.size(); ++row) {
    if (sets->rows[row] == 0) continue;
    uint32_t& segment = sets->segment_of[row];
    const Value value = eval_.ValueOf(plan.key, row);
    const auto [at, added] = groups.try_emplace(
        {segment, value}, static_cast<uint32_t>(segments.size()));
    if (added) {
      Spansets::Segment& made = segments.emplace_back(sets->segments[segment]);
      SetValue({plan.text, ToStatic(value)}, &made.values);
    }
    segment = at->second;
  }
  sets->segments = std::move(segments);
  return eval_.TakeError();
}

Status Runner::Apply(const CoalescePlan&, Spansets* sets) {
  if (sets->by_trace()) return {};
  uint32_t count = 0;
  for (const Spansets::Segment& segment : sets->segments) {
    count = std::max(count, segment.parent + 1);
  }
  std::vector<Spansets::Segment> merged(count);
  for (const Spansets::Segment& segment : sets->segments) {
    merged[segment.parent].trace = segment.trace;
    merged[segment.parent].parent = segment.parent;
  }
  for (uint32_t row = 0; row < sets->rows.size(); ++row) {
    if (sets->rows[row] == 0) continue;
    uint32_t& segment = sets->segment_of[row];
    segment = sets->segments[segment].parent;
  }
  sets->segments = std::move(merged);
  return {};
}

Result<bool> MayMatchSpanset(const SpansetPlan& plan, FrameEval& eval) {
  if (plan.filter) return eval.MayHold(*plan.filter);
  if (plan.pipeline) return MayMatch(*plan.pipeline, eval);
  ASSIGN_OR_RETURN(const bool right, MayMatchSpanset(*plan.right, eval));
  if (right == (plan.op == SpansetOp::kOr)) return right;
  if (!NeedsLeft(plan.op)) return right;
  return MayMatchSpanset(*plan.left, eval);
}

}  // namespace

bool NeedsLeft(SpansetOp op) {
  switch (op) {
    case SpansetOp::kNotChild:
    case SpansetOp::kNotDescendant:
    case SpansetOp::kNotParent:
    case SpansetOp::kNotAncestor:
    case SpansetOp::kNotSibling:
      return false;
    default:
      return true;
  }
}

const SpansetPlan* PruningStage(const PipelinePlan& plan) {
  // Every stage takes away: the first one says enough, if it selects.
  if (plan.stages.empty()) return nullptr;
  return std::get_if<SpansetPlan>(&plan.stages.front());
}

Result<bool> MayMatch(const PipelinePlan& plan, FrameEval& eval) {
  const SpansetPlan* first = PruningStage(plan);
  if (first == nullptr) return true;
  ASSIGN_OR_RETURN(const bool may, MayMatchSpanset(*first, eval));
  if (eval.profile() != nullptr) {
    OperatorCounts& counts = eval.profile()->Of(&plan);
    ++counts.units;
    counts.pruned += may ? 0 : 1;
  }
  return may;
}

Status RunPipeline(const PipelinePlan& plan, FrameEval& eval, Spansets* sets) {
  return Runner(eval).Run(plan, sets);
}

Result<Spansets> AllSpans(FrameEval& eval) {
  Spansets sets;
  sets.rows.assign(eval.frame().span_count(), 1);
  ASSIGN_OR_RETURN(const storage::FrameTraces* traces, eval.frame().Traces());
  for (const uint32_t trace : traces->excluded) {
    std::fill(sets.rows.begin() + traces->first_rows[trace],
              sets.rows.begin() + traces->first_rows[trace + 1], 0);
  }
  return sets;
}

}  // namespace khtrace::query
