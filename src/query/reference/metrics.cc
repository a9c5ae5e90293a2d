// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "query/judging.h"
#include "query/reference/pipeline.h"
#include "query/reference/reference.h"
#include "query/reference/series_builder.h"
#include "query/reference/trace.h"
#include "query/sampling.h"
#include "query/series.h"

namespace khtrace::query::reference {
namespace {

using model::SpanBatchPtr;
using traceql::MetricsAggregate;
using traceql::MetricsBinary;
using traceql::MetricsExpr;
using traceql::MetricsQuery;
using traceql::ScalarExpr;

class Runner {
 public:
  Runner(std::span<const Trace> traces, const TimeAxis& axis,
         const traceql::Query& query)
      : traces_(traces), axis_(axis), query_(query) {}

  Result<Operand> Evaluate(const MetricsExpr& expr) {
    Operand out;
    if (const auto* constant = std::get_if<ScalarExpr>(&expr.node)) {
      ASSIGN_OR_RETURN(out.number, ConstantOf(*constant));
      out.constant = true;
      return out;
    }
    if (const auto* binary = std::get_if<MetricsBinary>(&expr.node)) {
      ASSIGN_OR_RETURN(const Operand left, Evaluate(*binary->left));
      ASSIGN_OR_RETURN(const Operand right, Evaluate(*binary->right));
      out.series = Calculate(binary->op, left, right);
    } else {
      ASSIGN_OR_RETURN(out.series, Count(std::get<MetricsQuery>(expr.node)));
    }
    RETURN_IF_ERROR(ApplyStages(expr.stages, &out.series));
    return out;
  }

 private:
  Result<std::vector<Series>> Count(const MetricsQuery& query) {
    const MetricsAggregate& aggregate = query.aggregate;
    const auto builder = aggregate.compare
                             ? MakeCompareBuilder(*aggregate.compare, axis_)
                             : MakeSeriesBuilder(aggregate, axis_);
    const Sampling sampling = SamplingOf(query_, query.pipeline);
    for (const Trace& trace : traces_) {
      if (!Chosen(sampling, trace)) continue;
      std::vector<uint32_t> rows;
      for (uint32_t row = 0; row < trace.size(); ++row) {
        if (sampling.spans_last || Chosen(sampling, trace, row)) {
          rows.push_back(row);
        }
      }
      ASSIGN_OR_RETURN(const std::vector<RowSet> sets,
                       evaluator_.Run(trace, query.pipeline, std::move(rows)));
      RETURN_IF_ERROR(Add(sampling, trace, sets, builder.get()));
    }
    return builder->Take();
  }

  Status Add(const Sampling& sampling, const Trace& trace,
             const std::vector<RowSet>& sets, SeriesBuilder* builder) const {
    const double weight = 1 / (sampling.traces * sampling.spans);
    for (const RowSet& set : sets) {
      for (const uint32_t row : set.rows) {
        const size_t interval = axis_.IndexOf(trace.start(row));
        if (interval == TimeAxis::kOutside) continue;
        if (!Chosen(sampling, trace, row)) continue;
        RETURN_IF_ERROR(builder->Add(trace, row, interval, weight));
      }
    }
    return {};
  }

  static uint64_t HashOf(const Trace& trace) {
    return SampleHash(trace.batch().spans().trace_id[0]);
  }
  static bool Chosen(const Sampling& sampling, const Trace& trace) {
    return SampleRange::Of(0, sampling.traces).Has(HashOf(trace));
  }
  static bool Chosen(const Sampling& sampling, const Trace& trace,
                     uint32_t row) {
    const uint64_t hash = SampleHash(HashOf(trace), trace.start(row));
    return SampleRange::Of(0, sampling.spans).Has(hash);
  }

  std::span<const Trace> traces_;
  const TimeAxis& axis_;
  const traceql::Query& query_;
  PipelineEvaluator evaluator_;
};

// Traces with any time on the axis, oldest first.
std::vector<Trace> TracesOn(const TimeAxis& axis,
                            std::span<const SpanBatchPtr> traces,
                            const SpanJudge* judge) {
  const uint64_t start = axis.start_ns > axis.end_ns ? 0 : axis.start_ns;
  std::vector<Trace> out;
  for (const SpanBatchPtr& batch : traces) {
    if (batch->empty()) continue;
    Trace trace(*batch, judge);
    if (trace.first_start() <= axis.end_ns &&
        trace.first_start() + trace.duration() >= start) {
      out.push_back(std::move(trace));
    }
  }
  std::sort(out.begin(), out.end(), [](const Trace& a, const Trace& b) {
    if (a.first_start() != b.first_start()) {
      return a.first_start() < b.first_start();
    }
    return a.id() < b.id();
  });
  return out;
}

}  // namespace

Result<MetricsResult> RunMetrics(std::span<const SpanBatchPtr> traces,
                                 const MetricsRequest& request) {
  RETURN_IF_ERROR(CheckJudge(*request.query, request.judge));
  MetricsResult result;
  ASSIGN_OR_RETURN(result.axis, TimeAxis::Make(request));
  const std::vector<Trace> counted =
      TracesOn(result.axis, traces, request.judge);
  for (const Trace& trace : counted) {
    ++result.stats.inspected_traces;
    result.stats.inspected_spans += trace.size();
  }
  Runner runner(counted, result.axis, *request.query);
  ASSIGN_OR_RETURN(Operand all,
                   runner.Evaluate(std::get<MetricsExpr>(request.query->root)));
  result.series = std::move(all.series);
  Finish(request.max_series, &result);
  size_t left = ExemplarLimit(request);
  for (Series& series : result.series) {
    const size_t kept = std::min(left, series.exemplars.size());
    series.exemplars.resize(kept);
    left -= kept;
  }
  return result;
}

}  // namespace khtrace::query::reference
