// SPDX-License-Identifier: Apache-2.0
#include "query/find_traces.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <utility>

#include "traceql/ast.h"

namespace khtrace::query {
namespace {

// Counts the bytes of an answer.
class AnswerBudget {
 public:
  explicit AnswerBudget(size_t max_bytes) : max_bytes_(max_bytes) {}

  // False when `trace` does not fit any more; the first one always does.
  bool Take(const model::SpanBatch& trace) {
    const size_t bytes = trace.MemoryBytes();
    if (used_ != 0 && bytes > max_bytes_ - std::min(used_, max_bytes_)) {
      return false;
    }
    used_ += bytes;
    return true;
  }

 private:
  size_t max_bytes_;
  size_t used_ = 0;
};

bool IsOpen(const storage::TimeHint& hint) {
  return hint.start == UnixNanos{0} && hint.end == UnixNanos::Max();
}

// Every span: what is asked of them stands in SearchRequest::spans.
traceql::Query Everything() {
  traceql::SpansetFilter all;
  all.condition.node = traceql::Static(true);
  traceql::SpansetExpr spans;
  spans.node = std::move(all);
  traceql::Pipeline pipeline;
  pipeline.stages.emplace_back(std::move(spans));
  traceql::Query query;
  query.root = std::move(pipeline);
  return query;
}

}  // namespace

Result<model::SpanBatchPtr> GetTrace(storage::TraceReader& reader,
                                     const RequestContext& context,
                                     const model::TraceId& id,
                                     const storage::TimeHint& hint) {
  auto trace = reader.GetTrace(context, id, hint);
  if (trace || trace.error().code != Code::kNotFound || IsOpen(hint)) {
    return trace;
  }
  return reader.GetTrace(context, id);
}

Result<SearchResult> FindTraces(storage::TraceReader& reader,
                                const RequestContext& context,
                                const FindRequest& request) {
  const traceql::Query everything = Everything();
  SearchRequest search;
  search.query = &everything;
  search.spans = &request.spans;
  // Not a start: a span whose end lies before it starts within the range and
  // may have no time in it.
  search.end = request.spans.end;
  search.limit = request.limit;
  search.spans_per_spanset = 1;
  search.helpers = request.helpers;
  return Search(reader, context, search);
}

Status VisitTraces(
    storage::TraceReader& reader, const RequestContext& context,
    const FindRequest& request,
    const std::function<bool(const model::SpanBatchPtr&)>& visit) {
  ASSIGN_OR_RETURN(const SearchResult found,
                   FindTraces(reader, context, request));
  for (const TraceHit& hit : found.traces) {
    RETURN_IF_ERROR(context.Check());
    auto trace = reader.GetTrace(context, hit.trace_id, {.start = hit.start});
    if (!trace && trace.error().code == Code::kNotFound) continue;
    if (!trace) return std::move(trace).error();
    if (!visit(*trace)) break;
  }
  return {};
}

Result<FetchedTraces> FetchTraces(storage::TraceReader& reader,
                                  const RequestContext& context,
                                  const FindRequest& request,
                                  size_t max_bytes) {
  FetchedTraces answer;
  AnswerBudget budget(max_bytes);
  RETURN_IF_ERROR(VisitTraces(reader, context, request,
                              [&](const model::SpanBatchPtr& trace) {
                                answer.truncated = !budget.Take(*trace);
                                if (!answer.truncated)
                                  answer.traces.push_back(trace);
                                return !answer.truncated;
                              }));
  return answer;
}

Result<TracesById> FetchTracesById(storage::TraceReader& reader,
                                   const RequestContext& context,
                                   std::span<const model::TraceId> ids,
                                   const storage::TimeHint& hint,
                                   size_t max_bytes) {
  TracesById answer;
  AnswerBudget budget(max_bytes);
  boost::unordered_flat_set<model::TraceId, model::TraceIdHash> seen;
  for (const model::TraceId& id : ids) {
    if (!seen.insert(id).second) continue;
    RETURN_IF_ERROR(context.Check());
    auto trace = GetTrace(reader, context, id, hint);
    if (trace) {
      answer.truncated = !budget.Take(**trace);
      if (answer.truncated) break;
      answer.traces.push_back(*std::move(trace));
    } else if (trace.error().code == Code::kNotFound) {
      answer.missing.push_back(id);
    } else {
      return std::move(trace).error();
    }
  }
  return answer;
}

}  // namespace khtrace::query
