// SPDX-License-Identifier: Apache-2.0
// Who calls whom, by joining children to their parents inside each trace.
// First the trace tables, which are small, say where each trace starts and
// whether it lies in one part alone; then the spans are read: such traces are
// joined where they lie, the spans of the others are collected and joined at
// the end.
#include <algorithm>
#include <chrono>
#include <map>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "storage/columnar/query_losses.h"
#include "storage/columnar/tenant_query.h"

namespace khtrace::storage::columnar {
namespace {

using model::RowIndex;
using model::SpanBatch;
using model::SpanBatchPtr;
using model::SpanId;
using model::TraceId;

// A trace that begins in the range but has a span further outside than this
// may be seen without it. Larger reads more parts.
constexpr std::chrono::hours kTraceSpread{1};

// What of a span the join needs.
struct Member {
  TraceId trace_id;
  SpanId span_id;
  SpanId parent;
  UnixNanos start;
  model::SpanKind kind;
  uint32_t service;

  auto key() const { return std::tuple(trace_id, span_id, kind, start); }
};

class DependencyJoin {
 public:
  DependencyJoin(const RequestContext& context, const TenantView& view,
                 UnixNanos start, UnixNanos end)
      : context_(context),
        view_(view),
        start_(start),
        end_(end),
        losses_(view) {}

  Result<std::vector<DependencyEdge>> Run();

 private:
  struct Trace {
    UnixNanos start;
    uint32_t source;  // or kSeveral
  };
  static constexpr uint32_t kSeveral = UINT32_MAX;
  static constexpr uint32_t kHead = UINT32_MAX - 1;

  bool Overlaps(UnixNanos min_start, UnixNanos max_start) const {
    return max_start >= start_.Minus(kTraceSpread) &&
           min_start <= end_.Plus(kTraceSpread);
  }
  void Learn(const TraceId& id, UnixNanos start, uint32_t source);
  void Collect(const SpanBatch& batch, uint32_t source);
  Status LearnAll();
  Status CollectAll();
  template <typename Visit>  // Status(const Part&, uint32_t source)
  Status ForEachPart(const Visit& visit);
  template <typename Visit>  // void(const SpanBatch&)
  Status ForEachHeadBatch(const Visit& visit);
  uint32_t ServiceNumber(std::string_view name);
  // Joins and forgets `members`, which hold whole traces.
  void Join(std::vector<Member>* members);
  void JoinTrace(const Member* begin, const Member* end);

  const RequestContext& context_;
  const TenantView& view_;
  const UnixNanos start_;
  const UnixNanos end_;
  QueryLosses losses_;
  std::unordered_map<TraceId, Trace, model::TraceIdHash> traces_;
  std::map<std::string, uint32_t, std::less<>> service_numbers_;
  std::vector<std::string> services_;
  std::vector<Member> whole_;      // of traces in the part being read
  std::vector<Member> scattered_;  // of all others
  std::map<std::pair<uint32_t, uint32_t>, uint64_t> calls_;
};

template <typename Visit>
Status DependencyJoin::ForEachPart(const Visit& visit) {
  uint32_t source = 0;
  for (const auto& part : *view_.parts) {
    ++source;
    if (!Overlaps(part->info().min_start, part->info().max_start)) continue;
    RETURN_IF_ERROR(losses_.Excuse(*part, visit(*part, source)));
  }
  return {};
}

template <typename Visit>
Status DependencyJoin::ForEachHeadBatch(const Visit& visit) {
  for (const HeadView& head : view_.heads) {
    RETURN_IF_ERROR(context_.Check());
    head.ForEach([&](const HeadBatch& entry) {
      if (Overlaps(entry.min_start, entry.max_start)) visit(*entry.batch);
    });
  }
  return {};
}

Status DependencyJoin::LearnAll() {
  RETURN_IF_ERROR(ForEachPart([this](const Part& part, uint32_t source) {
    return part.ForEachTrace(context_, [&](const TraceId& id, UnixNanos start) {
      Learn(id, start, source);
    });
  }));
  return ForEachHeadBatch([this](const SpanBatch& batch) {
    const model::SpanColumns& spans = batch.spans();
    for (RowIndex row = 0; row < batch.row_count(); ++row) {
      Learn(spans.trace_id[row], spans.start[row], kHead);
    }
  });
}

Status DependencyJoin::CollectAll() {
  RETURN_IF_ERROR(ForEachPart([this](const Part& part, uint32_t source) {
    return part.ForEachBatch(context_,
                             [&](const SpanBatchPtr& batch) -> Status {
                               RETURN_IF_ERROR(context_.Check());
                               Collect(*batch, source);
                               return {};
                             });
  }));
  return ForEachHeadBatch(
      [this](const SpanBatch& batch) { Collect(batch, kHead); });
}

Result<std::vector<DependencyEdge>> DependencyJoin::Run() {
  RETURN_IF_ERROR(context_.Check());
  RETURN_IF_ERROR(LearnAll());
  RETURN_IF_ERROR(CollectAll());
  Join(&scattered_);
  if (calls_.empty() && losses_.first()) return *losses_.first();
  std::vector<DependencyEdge> edges;
  for (const auto& [pair, count] : calls_) {
    edges.push_back({services_[pair.first], services_[pair.second], count});
  }
  std::sort(edges.begin(), edges.end(),
            [](const DependencyEdge& a, const DependencyEdge& b) {
              return std::tie(a.parent, a.child) < std::tie(b.parent, b.child);
            });
  return edges;
}

void DependencyJoin::Learn(const TraceId& id, UnixNanos start,
                           uint32_t source) {
  auto [at, added] = traces_.emplace(id, Trace{start, source});
  if (added) return;
  Trace& trace = at->second;
  trace.start = std::min(trace.start, start);
  if (trace.source != source) trace.source = kSeveral;
}

void DependencyJoin::Collect(const SpanBatch& batch, uint32_t source) {
  const model::SpanColumns& spans = batch.spans();
  for (RowIndex row = 0; row < batch.row_count(); ++row) {
    const auto known = traces_.find(spans.trace_id[row]);
    if (known == traces_.end()) continue;  // its row group is damaged
    const Trace& trace = known->second;
    if (trace.start < start_ || trace.start > end_) continue;
    const bool whole = trace.source == source && source != kHead;
    (whole ? whole_ : scattered_)
        .push_back({spans.trace_id[row], spans.span_id[row],
                    spans.parent_span_id[row], spans.start[row],
                    spans.kind[row], ServiceNumber(batch.ServiceName(row))});
  }
  // Batches of a part end where a trace ends.
  Join(&whole_);
}

uint32_t DependencyJoin::ServiceNumber(std::string_view name) {
  const auto known = service_numbers_.find(name);
  if (known != service_numbers_.end()) return known->second;
  const auto number = static_cast<uint32_t>(services_.size());
  services_.emplace_back(name);
  service_numbers_.emplace(name, number);
  return number;
}

void DependencyJoin::Join(std::vector<Member>* members) {
  std::stable_sort(
      members->begin(), members->end(),
      [](const Member& a, const Member& b) { return a.key() < b.key(); });
  members->erase(std::unique(members->begin(), members->end(),
                             [](const Member& a, const Member& b) {
                               return a.key() == b.key();
                             }),
                 members->end());
  const Member* end = members->data() + members->size();
  for (const Member* begin = members->data(); begin != end;) {
    const Member* next = begin;
    while (next != end && next->trace_id == begin->trace_id) ++next;
    JoinTrace(begin, next);
    begin = next;
  }
  members->clear();
}

// The members of one trace, ordered by span id.
void DependencyJoin::JoinTrace(const Member* begin, const Member* end) {
  for (const Member* child = begin; child != end; ++child) {
    if (child->parent.IsZero()) continue;
    const Member* parent = std::lower_bound(
        begin, end, child->parent,
        [](const Member& m, SpanId id) { return m.span_id < id; });
    if (parent == end || parent->span_id != child->parent) continue;
    // Two kinds under one id: the least name, whatever came first.
    const Member* least = parent;
    for (; parent != end && parent->span_id == child->parent; ++parent) {
      if (services_[parent->service] < services_[least->service]) {
        least = parent;
      }
    }
    ++calls_[{least->service, child->service}];
  }
}

}  // namespace

Result<std::vector<DependencyEdge>> Dependencies(const RequestContext& context,
                                                 const TenantView& view,
                                                 UnixNanos start,
                                                 UnixNanos end) {
  return DependencyJoin(context, view, start, end).Run();
}

}  // namespace khtrace::storage::columnar
