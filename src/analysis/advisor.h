// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "analysis/operation_report.h"
#include "analysis/recommendation.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/mutex.h"
#include "base/request_context.h"
#include "model/span_batch.h"
#include "storage/trace_store.h"

namespace khtrace::analysis {

// Recommendations for operations that miss their target, from traces that it
// looks up; kept while their evidence is the same. Thread-safe.
class Advisor {
 public:
  // `reader` and `clock` outlive it. `helpers`: threads that may help with
  // queries; may be nullptr.
  Advisor(storage::TraceReader& reader, const Clock& clock, Executor* helpers)
      : reader_(reader), clock_(clock), helpers_(helpers) {}

  // Nothing for an operation within its target, or where no example tells.
  std::vector<Recommendation> Advise(const RequestContext& context,
                                     Window window,
                                     const OperationReport& operation)
      KHTRACE_EXCLUDES(mu_);
  // Traces of the slowest and some typical examples that are still there; of
  // a short window, which has few, some that a search finds as well.
  std::vector<model::SpanBatchPtr> ExampleTraces(
      const RequestContext& context, Window window,
      const OperationReport& operation);

 private:
  // Evidence of an operation does not change while its examples stay.
  struct Advice {
    std::chrono::nanoseconds made{};
    std::vector<Example> examples;
    std::vector<Recommendation> recommendations;
  };

  void SearchExamples(const RequestContext& context, Window window,
                      const OperationReport& operation,
                      std::vector<model::TraceId>* ids);

  storage::TraceReader& reader_;
  const Clock& clock_;
  Executor* const helpers_;
  Mutex mu_;
  std::map<std::string, Advice> advice_ KHTRACE_GUARDED_BY(mu_);
};

}  // namespace khtrace::analysis
