// SPDX-License-Identifier: Apache-2.0
#include "naive_find.h"

#include <algorithm>
#include <map>
#include <set>

namespace khtrace::conformance {
namespace {

using model::AttrRange;
using model::RowIndex;
using model::SpanBatch;
using model::TraceId;

bool Shows(const query::SpanCondition& tag, const SpanBatch& batch,
           AttrRange range) {
  const model::Attr* attr = batch.Find(range, tag.key);
  return attr != nullptr && ToDisplayString(batch.Value(*attr)) == tag.text;
}

bool AnyShows(const query::SpanCondition& tag, const SpanBatch& batch,
              const std::vector<AttrRange>& attributes, AttrRange rows) {
  return std::any_of(attributes.begin() + rows.begin,
                     attributes.begin() + rows.end,
                     [&](AttrRange range) { return Shows(tag, batch, range); });
}

bool ShownAnywhere(const query::SpanCondition& tag, const SpanBatch& batch,
                   RowIndex row) {
  return Shows(tag, batch, batch.spans().attributes[row]) ||
         Shows(tag, batch, batch.ResourceOf(row).attributes) ||
         Shows(tag, batch, batch.ScopeOf(row).attributes) ||
         AnyShows(tag, batch, batch.events().attributes,
                  batch.EventRange(row)) ||
         AnyShows(tag, batch, batch.links().attributes, batch.LinkRange(row));
}

}  // namespace

bool Meets(const query::SpanCondition& condition, const SpanBatch& batch,
           RowIndex row) {
  using Of = query::SpanCondition::Of;
  const model::SpanColumns& spans = batch.spans();
  switch (condition.of) {
    case Of::kService:
      return batch.ServiceName(row) == condition.text;
    case Of::kName:
      return batch.String(spans.name[row]) == condition.text;
    case Of::kMinDuration:
      return batch.DurationNanos(row) >= condition.number;
    case Of::kMaxDuration:
      return batch.DurationNanos(row) <= condition.number;
    case Of::kKind:
      return static_cast<uint64_t>(spans.kind[row]) == condition.number;
    case Of::kStatus:
      return static_cast<uint64_t>(spans.status[row]) == condition.number;
    case Of::kNotStatus:
      return static_cast<uint64_t>(spans.status[row]) != condition.number;
    case Of::kTag:
      return ShownAnywhere(condition, batch, row);
  }
  return false;
}

std::vector<FoundTrace> NaiveFind(std::span<const model::SpanBatchPtr> batches,
                                  const query::FindRequest& request) {
  std::map<TraceId, UnixNanos> starts;
  std::set<TraceId> fitting;
  for (const model::SpanBatchPtr& batch : batches) {
    for (RowIndex row = 0; row < batch->row_count(); ++row) {
      const TraceId id = batch->spans().trace_id[row];
      const UnixNanos start = batch->spans().start[row];
      UnixNanos& first = starts.try_emplace(id, start).first->second;
      first = std::min(first, start);
      const auto& all = request.spans.all;
      if (start >= request.spans.start && start <= request.spans.end &&
          std::all_of(all.begin(), all.end(), [&](const auto& condition) {
            return Meets(condition, *batch, row);
          })) {
        fitting.insert(id);
      }
    }
  }
  std::vector<FoundTrace> found;
  for (const TraceId& id : fitting) found.push_back({id, starts.at(id)});
  std::stable_sort(found.begin(), found.end(),
                   [](const FoundTrace& a, const FoundTrace& b) {
                     return a.start > b.start;
                   });
  if (found.size() > request.limit) found.resize(request.limit);
  return found;
}

}  // namespace khtrace::conformance
