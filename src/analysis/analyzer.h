// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analysis/advisor.h"
#include "analysis/bottleneck.h"
#include "analysis/critical_path.h"
#include "analysis/dependency_graph.h"
#include "analysis/error_pattern.h"
#include "analysis/explain.h"
#include "analysis/operation_report.h"
#include "analysis/options.h"
#include "analysis/recent_answers.h"
#include "analysis/trace_report.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/request_context.h"
#include "base/result.h"
#include "model/span_batch.h"
#include "storage/trace_store.h"

namespace khtrace::analysis {

// All figures of one window, made together. Immutable.
struct Snapshot {
  // Widened to whole buckets (of a day and more: to whole hours), and no longer
  // than there is data.
  Window window;
  UnixNanos generated_at;
  uint64_t spans = 0;
  std::vector<OperationReport> operations;
  std::vector<ServiceReport> services;  // point into `operations`
  DependencyGraph dependencies;
  std::vector<RootPaths> paths;
  std::optional<Grade> grade;  // of everything
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;
using ErrorPatterns = std::vector<ErrorPattern>;  // most frequent first

// Analysis of what a store holds: asks it for aggregates, judges them, and
// keeps the answers for a moment. Errors are those of TraceReader. Thread-safe.
class Analyzer {
 public:
  // `reader` and `clock` outlive the analyzer. `helpers`: threads that may
  // help with queries; may be nullptr.
  Analyzer(storage::TraceReader& reader, const Clock& clock,
           AnalysisOptions options, Executor* helpers);

  const AnalysisOptions& options() const { return options_; }

  // kInvalidArgument: window.end not after window.start. An answer may be two
  // seconds old (five of windows over an hour).
  Result<SnapshotPtr> Look(const RequestContext& context, Window window);
  Result<BottleneckList> Bottlenecks(const RequestContext& context,
                                     const BottleneckRequest& request);
  // Points of `minutes` (a multiple of 5; 0: about 60 points, of windows of a
  // day and more no closer than an hour).
  Result<std::vector<TimePoint>> Series(const RequestContext& context,
                                        Window window, uint32_t minutes,
                                        std::string_view service,
                                        std::string_view operation);
  // About 60 points (of windows of a day and more no closer than an hour), as
  // old as Look()'s.
  Result<std::shared_ptr<const Curves>> CurvesOf(const RequestContext& context,
                                                 Window window);
  // kNotFound: no span of that name in the window (of that service, if given).
  Result<OperationAnalysis> AnalyzeOperation(const RequestContext& context,
                                             const OperationRequest& request);
  // As old as Look()'s.
  Result<std::shared_ptr<const ErrorPatterns>> Errors(
      const RequestContext& context, Window window);
  // Asks what the first look at a day will ask. Its errors do not matter.
  void WarmUp(const RequestContext& context);
  // kNotFound.
  Result<TraceReport> AnalyzeTrace(const RequestContext& context,
                                   const model::TraceId& id);
  Result<Explanation> Explain(const RequestContext& context,
                              ExplainRequest request);

 private:
  Result<SnapshotPtr> Make(const RequestContext& context, Window window);
  Result<ErrorPatterns> MakeErrors(const RequestContext& context,
                                   Window window);
  // Of the window before this one.
  Result<aggregate::Partial> AggregateBefore(const RequestContext& context,
                                             Window window, uint32_t kinds);

  storage::TraceReader& reader_;
  const Clock& clock_;
  const AnalysisOptions options_;
  Executor* const helpers_;
  RecentAnswers<Snapshot> snapshots_;
  RecentAnswers<Curves> curves_;
  RecentAnswers<ErrorPatterns> errors_;
  Advisor advisor_;
};

}  // namespace khtrace::analysis
