// SPDX-License-Identifier: Apache-2.0
#include "codec/jaeger_json_adjust.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace khtrace::codec {
namespace {

using model::SpanId;
using model::SpanKind;

auto SortKey(const model::SpanBatch& batch, const JaegerSpan& span) {
  return std::tuple(batch.spans().start[span.row], span.id,
                    batch.spans().kind[span.row]);
}

// Ids that client and server spans of the trace have in common.
std::set<SpanId> SharedIds(const model::SpanBatch& batch,
                           std::span<const JaegerSpan> spans) {
  std::vector<SpanId> clients;
  std::vector<SpanId> servers;
  for (const JaegerSpan& span : spans) {
    const SpanKind kind = batch.spans().kind[span.row];
    if (kind == SpanKind::kClient) clients.push_back(span.id);
    if (kind == SpanKind::kServer) servers.push_back(span.id);
  }
  std::ranges::sort(clients);
  std::ranges::sort(servers);
  std::set<SpanId> shared;
  std::ranges::set_intersection(clients, servers,
                                std::inserter(shared, shared.end()));
  return shared;
}

}  // namespace

std::vector<JaegerSpan> PlainJaegerSpans(
    const model::SpanBatch& batch, std::span<const model::RowIndex> rows) {
  std::vector<JaegerSpan> spans;
  spans.reserve(rows.size());
  for (const model::RowIndex row : rows) {
    spans.push_back({.row = row,
                     .id = batch.spans().span_id[row],
                     .parent = batch.spans().parent_span_id[row]});
  }
  return spans;
}

void SeparateSharedIds(const model::SpanBatch& batch,
                       std::vector<JaegerSpan>* spans) {
  const std::set<SpanId> shared = SharedIds(batch, *spans);
  if (shared.empty()) return;
  std::set<SpanId> used;
  for (const JaegerSpan& span : *spans) used.insert(span.id);
  SpanId next{1};
  std::map<SpanId, SpanId> server_of;  // shared id -> the server's new one
  for (JaegerSpan& span : *spans) {
    if (batch.spans().kind[span.row] != SpanKind::kServer) continue;
    if (!shared.contains(span.id)) continue;
    while (used.contains(next)) ++next.value;
    used.insert(next);
    server_of[span.id] = next;
    span.parent = span.id;
    span.id = next;
  }
  for (JaegerSpan& span : *spans) {
    const auto server = server_of.find(span.parent);
    if (server == server_of.end()) continue;
    const bool separated =
        span.id != batch.spans().span_id[span.row];  // itself a server copy
    if (!separated) span.parent = server->second;
  }
}

void SortJaegerSpans(const model::SpanBatch& batch,
                     std::vector<JaegerSpan>* spans) {
  std::ranges::stable_sort(*spans, {}, [&batch](const JaegerSpan& span) {
    return SortKey(batch, span);
  });
}

bool SameSortKey(const model::SpanBatch& batch, const JaegerSpan& a,
                 const JaegerSpan& b) {
  return SortKey(batch, a) == SortKey(batch, b);
}

}  // namespace khtrace::codec
