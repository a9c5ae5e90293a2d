// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "alerting/measurement.h"
#include "alerting/query_measure.h"
#include "alerting/shared_scan.h"
#include "analysis/analyzer.h"
#include "analysis/rule_judge.h"
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
  void EndRound() override;

 private:
  // Runs `query` with tools for it: over the scan that rules of a round share,
  // unless another thread has it at the moment.
  template <typename Query>
  auto WithTools(const Query& query);
  Result<std::vector<Measurement>> MeasureCategory(
      const RequestContext& context, const Rule& rule, UnixNanos now);

  storage::TraceStore& store_;
  analysis::Analyzer& analyzer_;
  const analysis::RuleJudge judge_;
  query::MetricsCache cache_;
  const QueryTools tools_;
  std::atomic<bool> shared_taken_{false};
  SharedScanReader shared_;  // of whoever set shared_taken_
};

}  // namespace khtrace::alerting
