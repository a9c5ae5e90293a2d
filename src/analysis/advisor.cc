// SPDX-License-Identifier: Apache-2.0
#include "analysis/advisor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "query/search.h"
#include "traceql/checker.h"
#include "traceql/parser.h"
#include "traceql/printer.h"

namespace khtrace::analysis {
namespace {

// Evidence is looked for again when it is older, or when it was of others.
constexpr std::chrono::seconds kAdviceFresh{30};
constexpr size_t kMaxAdvice = 2'000;
constexpr size_t kSlowExamples = 3;
constexpr size_t kTypicalExamples = 7;
// With fewer of both some more are searched for.
constexpr size_t kEnoughExamples = 6;
constexpr size_t kSearchedExamples = 8;
// Larger traces are no example of anything.
constexpr size_t kMaxExampleSpans = 20'000;

}  // namespace

// The newest calls above the target (or the 95th percentile). A search that
// fails finds nothing: what there is speaks for itself.
void Advisor::SearchExamples(const RequestContext& context, Window window,
                             const OperationReport& operation,
                             std::vector<model::TraceId>* ids) {
  const double slow =
      operation.targets
          ? std::min(operation.p95,
                     static_cast<double>(operation.targets->target.count()))
          : operation.p95;
  const auto query = traceql::ParseQuery(fmt::format(
      "{{ resource.service.name = {} && name = {} && duration > {}ns }}",
      traceql::Quoted(operation.service), traceql::Quoted(operation.operation),
      static_cast<uint64_t>(slow)));
  if (!query || !traceql::CheckQuery(*query)) return;
  query::SearchRequest request;
  request.query = &*query;
  request.start = window.start;
  request.end = window.end;
  request.limit = kSearchedExamples;
  request.spans_per_spanset = 1;
  request.helpers = helpers_;
  const auto found = query::Search(reader_, context, request);
  if (!found) return;
  for (const query::TraceHit& hit : found->traces) {
    if (std::find(ids->begin(), ids->end(), hit.trace_id) == ids->end()) {
      ids->push_back(hit.trace_id);
    }
  }
}

std::vector<model::SpanBatchPtr> Advisor::ExampleTraces(
    const RequestContext& context, Window window,
    const OperationReport& operation) {
  std::vector<model::TraceId> ids;
  const auto take = [&ids](const std::vector<Example>& examples, size_t most) {
    for (size_t i = 0; i < examples.size() && i < most; ++i) {
      const model::TraceId& id = examples[i].trace_id;
      if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
    }
  };
  take(operation.slowest, kSlowExamples);
  take(operation.typical, kTypicalExamples);
  if (ids.size() < kEnoughExamples) {
    SearchExamples(context, window, operation, &ids);
  }
  std::vector<model::SpanBatchPtr> traces;
  for (const model::TraceId& id : ids) {
    auto trace = reader_.GetTrace(context, id);
    // Retention may have taken it since, or it is damaged: others tell.
    if (!trace || (*trace)->row_count() > kMaxExampleSpans) continue;
    traces.push_back(*std::move(trace));
  }
  return traces;
}

std::vector<Recommendation> Advisor::Advise(const RequestContext& context,
                                            Window window,
                                            const OperationReport& operation) {
  if (!operation.targets || operation.over_target <= 0) return {};
  const std::string key =
      fmt::format("{}\n{}\n{}\n{}\n{}", context.tenant, window.start.ns,
                  operation.service, operation.operation, operation.category);
  const std::chrono::nanoseconds now = clock_.Monotonic();
  {
    MutexLock lock(mu_);
    const auto known = advice_.find(key);
    if (known != advice_.end() &&
        (now - known->second.made < kAdviceFresh ||
         known->second.examples == operation.slowest)) {
      return known->second.recommendations;
    }
  }
  Advice advice;
  advice.made = now;
  advice.examples = operation.slowest;
  advice.recommendations =
      Recommend(operation, ExampleTraces(context, window, operation));
  // Cut short it knows too little to be kept.
  if (!context.Check()) return advice.recommendations;
  MutexLock lock(mu_);
  if (advice_.size() >= kMaxAdvice) advice_.clear();
  advice_[key] = advice;
  return advice.recommendations;
}

}  // namespace khtrace::analysis
