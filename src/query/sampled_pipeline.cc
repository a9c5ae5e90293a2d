// SPDX-License-Identifier: Apache-2.0
#include "query/sampled_pipeline.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace khtrace::query {
namespace {

using Adaptive = Sampling::Adaptive;

// Traces (spans) that are looked at first, to see how many match; and at least
// this share of a frame. Larger: the second share fits better, and costs more.
constexpr double kFirstCount = 32;
constexpr double kFirstShare = 1.0 / 32;
// Frames of fewer are looked at as a whole.
constexpr double kWholeCount = 256;
// Of what everything matches, one in so many is looked at. Tempo's.
constexpr double kMaxStride = 10;

// The sample of one frame.
class FrameSample {
 public:
  FrameSample(const SampledPipeline& plan, FrameEval& eval)
      : plan_(plan), sampling_(plan.sampling), eval_(eval) {}

  Status Load();
  // The share of an adaptive sample that is looked at first.
  double FirstShare() const;
  // How many of the traces (spans) in `looked_at` stand for one, by those that
  // came through.
  double StrideAfter(const Mask& looked_at, const Mask& matched) const;
  // Takes the rows out that are not in the sample; of what is adaptive, but
  // those in `range`.
  void Keep(SampleRange range, Mask* rows) const;
  // Takes spans out of what the pipeline left.
  void KeepLast(Mask* rows) const;
  // The traces of the sample that have a row; ascending.
  std::vector<uint32_t> TracesIn(const Mask& rows) const;

 private:
  void KeepSpans(SampleRange range, uint32_t trace, Mask* rows) const;

  const SampledPipeline& plan_;
  const Sampling& sampling_;
  FrameEval& eval_;
  const storage::FrameTraces* traces_ = nullptr;
  std::vector<uint64_t> hashes_;  // by trace
  const std::vector<uint64_t>* starts_ = nullptr;
};

Status FrameSample::Load() {
  ASSIGN_OR_RETURN(traces_, eval_.frame().Traces());
  ASSIGN_OR_RETURN(const std::vector<model::TraceId>* ids,
                   eval_.frame().TraceIds());
  hashes_.reserve(ids->size());
  for (const model::TraceId& id : *ids) hashes_.push_back(SampleHash(id));
  if (sampling_.spans == 1 && sampling_.adaptive != Adaptive::kSpans) return {};
  RETURN_IF_ERROR(eval_.Load(plan_.start));
  starts_ = &eval_.column(plan_.start.columns[0]).bits;
  return {};
}

double FrameSample::FirstShare() const {
  const double count = sampling_.adaptive == Adaptive::kTraces
                           ? eval_.frame().trace_count()
                           : eval_.frame().span_count() * sampling_.traces;
  if (sampling_.adaptive == Adaptive::kNone || count < kWholeCount) return 1;
  return std::max(kFirstShare, kFirstCount / count);
}

double FrameSample::StrideAfter(const Mask& looked_at,
                                const Mask& matched) const {
  const auto count = [this](const Mask& rows) {
    return static_cast<double>(sampling_.adaptive == Adaptive::kTraces
                                   ? TracesIn(rows).size()
                                   : CountSet(rows));
  };
  const double all = count(looked_at);
  if (all == 0) return 1;
  return std::clamp(std::ceil(count(matched) / all * kMaxStride), 1.0,
                    kMaxStride);
}

void FrameSample::KeepSpans(SampleRange range, uint32_t trace,
                            Mask* rows) const {
  const uint64_t hash = hashes_[trace];
  const uint64_t* const starts = starts_->data();
  uint8_t* const kept = rows->data();
  const uint32_t end = traces_->first_rows[trace + 1];
  for (uint32_t row = traces_->first_rows[trace]; row < end; ++row) {
    kept[row] &= range.Has(SampleHash(hash, starts[row])) ? 1 : 0;
  }
}

void FrameSample::Keep(SampleRange range, Mask* rows) const {
  const bool by_trace = sampling_.adaptive == Adaptive::kTraces;
  const SampleRange traces =
      by_trace ? range : SampleRange::Of(0, sampling_.traces);
  const SampleRange spans = sampling_.adaptive == Adaptive::kSpans ? range
                            : sampling_.spans_last
                                ? SampleRange()
                                : SampleRange::Of(0, sampling_.spans);
  for (uint32_t trace = 0; trace < hashes_.size(); ++trace) {
    if (!traces.Has(hashes_[trace])) {
      std::fill(rows->begin() + traces_->first_rows[trace],
                rows->begin() + traces_->first_rows[trace + 1], 0);
    } else if (!spans.everything()) {
      KeepSpans(spans, trace, rows);
    }
  }
}

void FrameSample::KeepLast(Mask* rows) const {
  if (!sampling_.spans_last) return;
  const SampleRange spans = SampleRange::Of(0, sampling_.spans);
  for (uint32_t trace = 0; trace < hashes_.size(); ++trace) {
    KeepSpans(spans, trace, rows);
  }
}

std::vector<uint32_t> FrameSample::TracesIn(const Mask& rows) const {
  std::vector<uint32_t> found;
  for (uint32_t trace = 0; trace < hashes_.size(); ++trace) {
    if (AnySet(rows, traces_->first_rows[trace],
               traces_->first_rows[trace + 1])) {
      found.push_back(trace);
    }
  }
  return found;
}

bool IsCheap(const Expr& truth) {
  switch (MethodOf(truth)) {
    case FilterMethod::kConstant:
      return true;
    case FilterMethod::kColumn:
      return truth.predicate.kind == Predicate::Kind::kCompare &&
             !truth.leaf.judged();
    case FilterMethod::kAll:
    case FilterMethod::kAny:
    case FilterMethod::kNot:
      return std::all_of(truth.children.begin(), truth.children.end(),
                         [](const Expr& child) { return IsCheap(child); });
    default:
      return false;
  }
}

class Run {
 public:
  Run(const SampledPipeline& plan, const RequestContext& context,
      FrameEval& eval, const WeightedRows& visit)
      : plan_(plan),
        context_(context),
        eval_(eval),
        visit_(visit),
        sample_(plan, eval) {}

  Status Frame();

 private:
  // What was looked at, and what of it came through.
  struct Round {
    Mask looked_at;
    Mask matched;
  };
  Result<Round> RunOn(SampleRange range, double weight);
  Result<bool> RunOnFewTraces();

  const SampledPipeline& plan_;
  const RequestContext& context_;
  FrameEval& eval_;
  const WeightedRows& visit_;
  FrameSample sample_;
};

Result<Run::Round> Run::RunOn(SampleRange range, double weight) {
  Round round;
  ASSIGN_OR_RETURN(Spansets sets, AllSpans(eval_));
  const Stopwatch watch;
  const uint64_t rows_in = eval_.profile() ? CountSet(sets.rows) : 0;
  sample_.Keep(range, &sets.rows);
  if (eval_.profile() != nullptr) {
    OperatorCounts& counts = eval_.profile()->Of(&plan_.sampling);
    ++counts.units;
    counts.rows_in += rows_in;
    counts.rows_out += CountSet(sets.rows);
    counts.nanos += watch.Nanos();
  }
  round.looked_at = sets.rows;
  if (AnySet(sets.rows)) {
    RETURN_IF_ERROR(RunPipeline(plan_.pipeline, eval_, &sets));
    sample_.KeepLast(&sets.rows);
  }
  if (AnySet(sets.rows)) RETURN_IF_ERROR(visit_(eval_, sets.rows, weight));
  round.matched = std::move(sets.rows);
  return round;
}

// Of few traces in a large frame only what is theirs is read. False: not done.
Result<bool> Run::RunOnFewTraces() {
  ASSIGN_OR_RETURN(Spansets sets, AllSpans(eval_));
  sample_.Keep({}, &sets.rows);
  const std::vector<uint32_t> chosen = sample_.TracesIn(sets.rows);
  if (chosen.empty()) return true;
  const auto frame = eval_.frame().Narrow(chosen);
  // It reads columns that the pipeline may not get to: let those be damaged.
  if (!frame && frame.error().code == Code::kDataLoss) return false;
  if (!frame) return Error(frame.error());
  if (*frame == nullptr) return false;
  PredicateTables tables;
  FrameEval narrow(**frame, tables, context_, eval_.profile());
  RETURN_IF_ERROR(Run(plan_, context_, narrow, visit_).Frame());
  RETURN_IF_ERROR(narrow.TakeError());
  return true;
}

Status Run::Frame() {
  RETURN_IF_ERROR(sample_.Load());
  const Sampling& sampling = plan_.sampling;
  if (sampling.traces < 1) {
    ASSIGN_OR_RETURN(const bool done, RunOnFewTraces());
    if (done) return {};
  }
  const double weight = 1 / (sampling.traces * sampling.spans);
  const double first = sample_.FirstShare();
  ASSIGN_OR_RETURN(const Round round, RunOn(SampleRange::Of(0, first), weight));
  if (first == 1) return {};
  const double stride = sample_.StrideAfter(round.looked_at, round.matched);
  const double end = first + (1 - first) / stride;
  const auto rest = RunOn(SampleRange::Of(first, end), weight * stride);
  return rest ? Status() : Status(rest.error());
}

}  // namespace

bool IsCheap(const PipelinePlan& pipeline) {
  return std::all_of(pipeline.stages.begin(), pipeline.stages.end(),
                     [](const StagePlan& stage) {
                       const auto* spansets = std::get_if<SpansetPlan>(&stage);
                       return spansets != nullptr && spansets->filter &&
                              IsCheap(*spansets->filter);
                     });
}

Status RunSampled(const SampledPipeline& plan, const RequestContext& context,
                  FrameEval& eval, const WeightedRows& visit) {
  ASSIGN_OR_RETURN(const bool may, MayMatch(plan.pipeline, eval));
  if (!may) return {};
  if (!plan.sampling.everything()) {
    return Run(plan, context, eval, visit).Frame();
  }
  ASSIGN_OR_RETURN(Spansets sets, AllSpans(eval));
  RETURN_IF_ERROR(RunPipeline(plan.pipeline, eval, &sets));
  return AnySet(sets.rows) ? visit(eval, sets.rows, 1) : Status();
}

}  // namespace khtrace::query
