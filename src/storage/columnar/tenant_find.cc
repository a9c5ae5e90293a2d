// SPDX-License-Identifier: Apache-2.0
// The newest traces with a span that fits. A part knows only its own share of
// a trace, so the start that it gives is an upper bound of the trace's real
// one. Candidates are taken by falling bound, and the search ends as soon as
// no bound that is left can beat what was found.
#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "storage/columnar/query_losses.h"
#include "storage/columnar/tenant_query.h"

namespace khtrace::storage::columnar {
namespace {

using model::RowIndex;
using model::TraceId;

bool Better(const TraceMatch& a, const TraceMatch& b) {
  return a.start != b.start ? a.start > b.start : a.trace_id < b.trace_id;
}

class TraceSearch {
 public:
  TraceSearch(const RequestContext& context, const TenantView& view,
              const ScanRequest& request)
      : context_(context), view_(view), request_(request), losses_(view) {}

  Result<FindTracesResult> Run();

 private:
  // True if no trace whose start is at most `bound` can be in the answer.
  bool Beaten(UnixNanos bound) const {
    return result_.matches.size() == request_.limit &&
           result_.matches.back().start > bound;
  }
  bool InRange(UnixNanos min_start, UnixNanos max_start) const {
    return max_start >= request_.start && min_start <= request_.end;
  }
  Status SearchHeads();
  Status SearchPart(const Part& part);
  Result<size_t> AskPart(const Part& part, size_t limit, UnixNanos* floor);
  // Makes of the candidates known so far the best answer.
  Status Resolve();
  Result<UnixNanos> TrueStart(const TraceId& id, UnixNanos bound);
  void AddCandidate(const TraceId& id, UnixNanos bound) {
    auto [at, added] = bounds_.emplace(id, bound);
    if (!added) at->second = std::min(at->second, bound);
  }

  const RequestContext& context_;
  const TenantView& view_;
  const ScanRequest& request_;
  FindTracesResult result_;
  std::unordered_map<TraceId, UnixNanos, model::TraceIdHash> bounds_;
  std::unordered_map<TraceId, UnixNanos, model::TraceIdHash> starts_;  // true
  QueryLosses losses_;
};

Result<FindTracesResult> TraceSearch::Run() {
  RETURN_IF_ERROR(context_.Check());
  if (request_.limit == 0) return result_;
  RETURN_IF_ERROR(SearchHeads());
  PartList parts = *view_.parts;
  std::stable_sort(parts.begin(), parts.end(),
                   [](const auto& a, const auto& b) {
                     return a->info().max_start > b->info().max_start;
                   });
  for (const auto& part : parts) {
    RETURN_IF_ERROR(context_.Check());
    ++result_.stats.parts;
    if (Beaten(part->info().max_start) ||
        !InRange(part->info().min_start, part->info().max_start)) {
      ++result_.stats.parts_skipped;
      continue;
    }
    RETURN_IF_ERROR(SearchPart(*part));
  }
  if (result_.matches.empty() && losses_.first()) return *losses_.first();
  return std::move(result_);
}

Status TraceSearch::SearchHeads() {
  Status status;
  for (const HeadView& head : view_.heads) {
    head.ForEach([&](const HeadBatch& entry) {
      if (!status || !InRange(entry.min_start, entry.max_start)) return;
      status = context_.Check();
      const model::SpanBatch& batch = *entry.batch;
      for (RowIndex row = 0; row < batch.row_count(); ++row) {
        if (!Matches(request_, batch, row)) continue;
        AddCandidate(batch.spans().trace_id[row], batch.spans().start[row]);
      }
      result_.stats.inspected_spans += batch.row_count();
      result_.stats.inspected_bytes += entry.bytes;
    });
  }
  RETURN_IF_ERROR(std::move(status));
  return Resolve();
}

Status TraceSearch::SearchPart(const Part& part) {
  // The part stops after the limit's newest traces by its own reckoning;
  // traces that turn out older make room for more.
  for (size_t limit = request_.limit;; limit *= 4) {
    UnixNanos floor;
    ASSIGN_OR_RETURN(const size_t count, AskPart(part, limit, &floor));
    RETURN_IF_ERROR(Resolve());
    if (count < limit || Beaten(floor)) return {};
  }
}

Result<size_t> TraceSearch::AskPart(const Part& part, size_t limit,
                                    UnixNanos* floor) {
  ScanRequest request = request_;
  request.limit = limit;
  std::vector<TraceMatch> matches;
  RETURN_IF_ERROR(losses_.Excuse(
      part, part.FindTraces(context_, request, &matches, &result_.stats)));
  *floor = UnixNanos::Max();
  for (const TraceMatch& match : matches) {
    AddCandidate(match.trace_id, match.start);
    *floor = std::min(*floor, match.start);
  }
  return matches.size();
}

Status TraceSearch::Resolve() {
  std::vector<TraceMatch> candidates;
  candidates.reserve(bounds_.size());
  for (const auto& [id, bound] : bounds_) candidates.push_back({id, bound});
  std::sort(candidates.begin(), candidates.end(), Better);
  result_.matches.clear();
  for (const TraceMatch& candidate : candidates) {
    if (Beaten(candidate.start)) break;
    auto known = starts_.find(candidate.trace_id);
    if (known == starts_.end()) {
      ASSIGN_OR_RETURN(const UnixNanos start,
                       TrueStart(candidate.trace_id, candidate.start));
      known = starts_.emplace(candidate.trace_id, start).first;
    }
    const TraceMatch match{candidate.trace_id, known->second};
    auto& best = result_.matches;
    best.insert(std::upper_bound(best.begin(), best.end(), match, Better),
                match);
    if (best.size() > request_.limit) best.pop_back();
  }
  return {};
}

Result<UnixNanos> TraceSearch::TrueStart(const TraceId& id, UnixNanos bound) {
  RETURN_IF_ERROR(context_.Check());
  const auto lower = [&](const model::SpanBatch& batch) {
    for (RowIndex row = 0; row < batch.row_count(); ++row) {
      if (batch.spans().trace_id[row] != id) continue;
      bound = std::min(bound, batch.spans().start[row]);
    }
  };
  for (const HeadView& head : view_.heads) {
    head.ForEach([&](const HeadBatch& entry) {
      if (entry.min_start < bound && entry.filter.MayContain(id)) {
        lower(*entry.batch);
      }
    });
  }
  for (const auto& part : *view_.parts) {
    if (part->info().min_start >= bound) continue;
    auto batch = part->GetTrace(context_, id);
    if (!batch) {
      RETURN_IF_ERROR(losses_.Excuse(*part, std::move(batch).error()));
    } else if (*batch != nullptr) {
      lower(**batch);
    }
  }
  return bound;
}

}  // namespace

Result<FindTracesResult> FindTraces(const RequestContext& context,
                                    const TenantView& view,
                                    const ScanRequest& request) {
  return TraceSearch(context, view, request).Run();
}

}  // namespace khtrace::storage::columnar
