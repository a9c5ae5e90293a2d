// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "alerting/measurement.h"
#include "alerting/query_measure.h"
#include "analysis/analyzer.h"
#include "base/executor.h"
#include "query/metrics_cache.h"
#include "storage/trace_store.h"

namespace khtrace::alerting {

// Measurements of what a store holds: targets from aggregates
// (analysis::Analyzer), queries and objectives by TraceQL. Thread-safe.
class StoreSource : public MeasureSource {
 public:
  // All outlive the source. `helpers` may be nullptr.
  StoreSource(storage::TraceStore& store, analysis::Analyzer& analyzer,
              Executor* helpers);

  Result<std::vector<Measurement>> Measure(const RequestContext& context,
                                           const Rule& rule,
                                           UnixNanos now) override;
  std::optional<Measurement> MeasureMissing(const RequestContext& context,
                                            const Rule& rule, UnixNanos now,
                                            const Labels& labels) override;
  void Describe(const RequestContext& context, const Rule& rule, UnixNanos now,
                Measurement* measurement) override;
  std::vector<std::string> Tenants() override;

 private:
  Result<std::vector<Measurement>> MeasureCategory(
      const RequestContext& context, const Rule& rule, UnixNanos now);

  storage::TraceStore& store_;
  analysis::Analyzer& analyzer_;
  query::MetricsCache cache_;
  const QueryTools tools_;
};

}  // namespace khtrace::alerting
