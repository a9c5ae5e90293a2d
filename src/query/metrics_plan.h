// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "query/expression.h"
#include "query/metrics.h"
#include "query/metrics_fold.h"
#include "query/profile.h"
#include "query/sampled_pipeline.h"
#include "traceql/ast.h"

namespace khtrace::query {

// One function over one pipeline.
struct FunctionPlan {
  const traceql::MetricsQuery* query = nullptr;
  SampledPipeline spans;
  FoldPlan fold;
};

// A metrics query made ready to run. Borrows the query. Stays where it is
// while it runs, as a SearchPlan does.
struct MetricsPlan {
  TimeAxis axis;
  ColumnSet columns;
  // In the order in which the query has them.
  std::vector<std::unique_ptr<FunctionPlan>> functions;

  // Whether what units gave may be kept: what compare() counts depends on the
  // keys that there are.
  bool cacheable() const;
};

// Errors as RunMetrics.
Result<MetricsPlan> MakeMetricsPlan(storage::TraceReader& reader,
                                    const RequestContext& context,
                                    const MetricsRequest& request);

// `profile`: what the operators did; may be nullptr.
Result<MetricsResult> RunMetrics(storage::TraceReader& reader,
                                 const RequestContext& context,
                                 const MetricsRequest& request,
                                 const MetricsPlan& plan,
                                 ExecutionProfile* profile);

// What of the stored it goes through.
storage::FrameRequest ScanOf(const MetricsPlan& plan);

}  // namespace khtrace::query
