// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "query/judging.h"
#include "query/mentions.h"
#include "query/reference/pipeline.h"
#include "query/reference/reference.h"
#include "query/reference/trace.h"

namespace khtrace::query::reference {
namespace {

using model::SpanBatch;
using model::SpanBatchPtr;
using traceql::Attribute;
using traceql::Box;
using traceql::Intrinsic;
using traceql::OrderBy;
using traceql::Pipeline;

SpanHit HitOf(const Trace& trace, uint32_t row,
              const std::vector<Mention>& mentions) {
  const SpanBatch& batch = trace.batch();
  SpanHit hit;
  hit.span_id = batch.spans().span_id[row];
  hit.name = batch.String(batch.spans().name[row]);
  hit.start = batch.spans().start[row];
  hit.duration_nanos = batch.DurationNanos(row);
  for (const Mention& mention : mentions) {
    if (ShownElsewhere(mention.attribute)) continue;
    const Value value = FieldEvaluator::Evaluate(trace, row, mention.attribute);
    if (value.nil() && !mention.tested_for_nil) continue;
    hit.values.push_back({KeyOf(mention.attribute), ToStatic(value)});
  }
  return hit;
}

Spanset SpansetOf(const Trace& trace, const RowSet& set,
                  const SearchRequest& request,
                  const std::vector<Mention>& mentions) {
  Spanset out;
  out.matched = set.rows.size();
  out.values = set.values;
  for (const uint32_t row : set.rows) {
    if (request.spans_per_spanset != 0 &&
        out.spans.size() == request.spans_per_spanset) {
      break;
    }
    out.spans.push_back(HitOf(trace, row, mentions));
  }
  return out;
}

std::vector<ServiceStats> ServicesOf(const SpanBatch& batch) {
  std::map<std::string, ServiceStats, std::less<>> services;
  for (uint32_t row = 0; row < batch.row_count(); ++row) {
    const std::string name(batch.ServiceName(row));
    ServiceStats& stats = services[name];
    stats.service = name;
    ++stats.span_count;
    const bool error = batch.spans().status[row] == model::StatusCode::kError;
    stats.error_count += error ? 1 : 0;
  }
  std::vector<ServiceStats> out;
  for (auto& [name, stats] : services) out.push_back(std::move(stats));
  return out;
}

TraceHit TraceHitOf(const Trace& trace) {
  const SpanBatch& batch = trace.batch();
  TraceHit hit;
  hit.trace_id = batch.spans().trace_id.front();
  hit.has_root = trace.first_root() != Trace::kNoRow;
  if (hit.has_root) {
    hit.root_service = batch.ServiceName(trace.first_root());
    hit.root_name = batch.String(batch.spans().name[trace.first_root()]);
  }
  hit.start = {trace.first_start()};
  hit.duration_nanos = trace.duration();
  hit.services = ServicesOf(batch);
  return hit;
}

uint64_t ValueOf(const Trace& trace, OrderBy::Key key) {
  switch (key) {
    case OrderBy::Key::kStart:
      return trace.first_start();
    case OrderBy::Key::kDuration:
      return trace.duration();
    case OrderBy::Key::kSpanCount:
      return trace.size();
    case OrderBy::Key::kErrorCount:
      break;
  }
  return trace.error_count();
}

// Whether `a` comes first.
bool Before(const OrderBy& by, const Trace& a, const Trace& b) {
  const uint64_t value_a = ValueOf(a, by.key);
  const uint64_t value_b = ValueOf(b, by.key);
  if (value_a != value_b) {
    return by.descending ? value_a > value_b : value_a < value_b;
  }
  if (a.first_start() != b.first_start()) {
    return a.first_start() > b.first_start();
  }
  return a.id() < b.id();
}

}  // namespace

Result<SearchResult> Search(std::span<const SpanBatchPtr> traces,
                            const SearchRequest& request) {
  RETURN_IF_ERROR(CheckJudge(*request.query, request.judge));
  const Pipeline& pipeline = PipelineOf(*request.query);
  const std::vector<Mention> mentions = MentionsOf(pipeline);
  std::optional<OrderBy> by = request.order;
  if (!by) {
    ASSIGN_OR_RETURN(by, traceql::OrderOf(*request.query));
  }
  std::vector<Trace> in_order;
  for (const SpanBatchPtr& batch : traces) {
    if (!batch->empty()) in_order.emplace_back(*batch, request.judge);
  }
  std::sort(in_order.begin(), in_order.end(),
            [&](const Trace& a, const Trace& b) {
              return Before(by.value_or(OrderBy()), a, b);
            });
  SearchResult result;
  uint64_t fit = 0;
  uint64_t spans = 0;
  PipelineEvaluator evaluator;
  for (const Trace& trace : in_order) {
    const bool full = result.traces.size() == request.limit;
    if (full && !request.totals) break;
    if (trace.first_start() > request.end.ns ||
        trace.first_start() + trace.duration() < request.start.ns) {
      continue;
    }
    ++result.stats.inspected_traces;
    result.stats.inspected_spans += trace.size();
    ASSIGN_OR_RETURN(const std::vector<RowSet> sets,
                     evaluator.Run(trace, pipeline));
    if (sets.empty()) continue;
    ++fit;
    for (const RowSet& set : sets) spans += set.rows.size();
    if (full) continue;
    TraceHit hit = TraceHitOf(trace);
    for (const RowSet& set : sets) {
      hit.spansets.push_back(SpansetOf(trace, set, request, mentions));
    }
    result.traces.push_back(std::move(hit));
  }
  if (!request.totals) return result;
  result.total_traces = fit;
  result.total_spans = spans;
  return result;
}

}  // namespace khtrace::query::reference
