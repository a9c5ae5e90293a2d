// SPDX-License-Identifier: Apache-2.0
#include "query/trace_summary.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <map>
#include <string_view>
#include <tuple>

#include "base/check.h"
#include "base/hash.h"

namespace khtrace::query {
namespace {

using model::RowIndex;

struct SpanIdHash {
  size_t operator()(const model::SpanId& id) const { return Mix64(id.value); }
};

// How good a root a span makes; less is better.
enum class RootRank { kNoParent, kOrphan, kChild };

}  // namespace

TraceSummary Summarize(const model::SpanBatch& trace) {
  KHTRACE_CHECK(!trace.empty());
  const model::SpanColumns& spans = trace.spans();
  const boost::unordered_flat_set<model::SpanId, SpanIdHash> ids(
      spans.span_id.begin(), spans.span_id.end());

  TraceSummary summary;
  summary.trace_id = spans.trace_id[0];
  summary.start = UnixNanos::Max();
  summary.span_count = trace.row_count();
  std::map<std::string_view, ServiceCount> services;
  std::tuple<RootRank, UnixNanos, RowIndex> root{RootRank::kChild,
                                                 UnixNanos::Max(), 0};
  for (RowIndex row = 0; row < trace.row_count(); ++row) {
    RootRank rank = RootRank::kNoParent;
    if (!spans.parent_span_id[row].IsZero()) {
      const bool known = ids.contains(spans.parent_span_id[row]);
      rank = known ? RootRank::kChild : RootRank::kOrphan;
      summary.orphan_count += known ? 0 : 1;
    }
    root = std::min(root, {rank, spans.start[row], row});
    summary.start = std::min(summary.start, spans.start[row]);
    summary.end = std::max({summary.end, spans.start[row], spans.end[row]});
    const bool error = spans.status[row] == model::StatusCode::kError;
    summary.error_count += error ? 1 : 0;
    ServiceCount& service = services[trace.ServiceName(row)];
    ++service.span_count;
    service.error_count += error ? 1 : 0;
  }
  const RowIndex root_row = std::get<RowIndex>(root);
  summary.root_service = trace.ServiceName(root_row);
  summary.root_name = trace.String(spans.name[root_row]);
  for (auto& [name, count] : services) {
    count.name = name;
    summary.services.push_back(std::move(count));
  }
  return summary;
}

}  // namespace khtrace::query
