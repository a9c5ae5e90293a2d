// SPDX-License-Identifier: Apache-2.0
#include "storage/memory/memory_store.h"

#include <algorithm>
#include <utility>

#include "aggregate/partial_builder.h"
#include "model/span_batch_builder.h"
#include "storage/memory/memory_scan.h"

namespace khtrace::storage::memory {

using model::RowIndex;
using model::SpanBatch;
using model::SpanBatchPtr;
using model::TraceId;

namespace {

using TraceStarts = std::map<TraceId, UnixNanos>;

TraceStarts StartsOf(const std::vector<SpanBatchPtr>& batches) {
  TraceStarts starts;
  for (const SpanBatchPtr& batch : batches) {
    for (RowIndex row = 0; row < batch->row_count(); ++row) {
      const UnixNanos start = batch->spans().start[row];
      auto [at, added] = starts.emplace(batch->spans().trace_id[row], start);
      if (!added) at->second = std::min(at->second, start);
    }
  }
  return starts;
}

}  // namespace

MemoryStore::SpanKey MemoryStore::KeyOf(const SpanBatch& batch, RowIndex row) {
  const model::SpanColumns& spans = batch.spans();
  return {spans.trace_id[row], spans.start[row], spans.span_id[row],
          spans.kind[row]};
}

Status MemoryStore::Store(const RequestContext& context,
                          const SpanBatch& batch) {
  RETURN_IF_ERROR(ValidateTenant(context.tenant));
  MutexLock lock(mu_);
  if (closed_) {
    return Error{Code::kFailedPrecondition, "cannot write: store is closed"};
  }
  if (batch.empty()) return {};
  Tenant& tenant = tenants_[context.tenant];
  std::vector<RowIndex> fresh;
  for (RowIndex row = 0; row < batch.row_count(); ++row) {
    if (tenant.seen.insert(KeyOf(batch, row)).second) fresh.push_back(row);
  }
  if (fresh.empty()) return {};
  tenant.batches.push_back(
      std::make_shared<const SpanBatch>(model::Compact(batch, fresh)));
  return {};
}

void MemoryStore::Write(const RequestContext& context, SpanBatchPtr batch,
                        Done done) {
  done(Store(context, *batch));
}

Result<MemoryStore::Batches> MemoryStore::Snapshot(
    const RequestContext& context) {
  RETURN_IF_ERROR(ValidateTenant(context.tenant));
  RETURN_IF_ERROR(context.Check());
  MutexLock lock(mu_);
  const auto tenant = tenants_.find(context.tenant);
  if (tenant == tenants_.end()) return Batches{};
  return tenant->second.batches;
}

Result<SpanBatchPtr> MemoryStore::GetTrace(const RequestContext& context,
                                           const TraceId& id, const TimeHint&) {
  ASSIGN_OR_RETURN(const Batches batches, Snapshot(context));
  std::map<SpanKey, std::pair<const SpanBatch*, RowIndex>> found;
  for (const SpanBatchPtr& batch : batches) {
    for (RowIndex row = 0; row < batch->row_count(); ++row) {
      if (batch->spans().trace_id[row] != id) continue;
      found.emplace(KeyOf(*batch, row), std::pair(batch.get(), row));
    }
  }
  if (found.empty()) {
    return Error{Code::kNotFound, "trace " + id.ToHex() + " was not found"};
  }
  std::vector<model::RowRef> rows;
  rows.reserve(found.size());
  for (const auto& [key, place] : found) {
    rows.push_back({place.first, place.second});
  }
  return SpanBatchPtr(std::make_shared<const SpanBatch>(model::Gather(rows)));
}

Result<std::vector<std::string>> MemoryStore::Services(
    const RequestContext& context) {
  ASSIGN_OR_RETURN(const Batches batches, Snapshot(context));
  std::set<std::string> names;
  for (const SpanBatchPtr& batch : batches) {
    for (RowIndex row = 0; row < batch->row_count(); ++row) {
      names.emplace(batch->ServiceName(row));
    }
  }
  names.erase("");
  return std::vector<std::string>(names.begin(), names.end());
}

Result<std::vector<Operation>> MemoryStore::Operations(
    const RequestContext& context, std::string_view service) {
  ASSIGN_OR_RETURN(const Batches batches, Snapshot(context));
  std::set<Operation> operations;
  for (const SpanBatchPtr& batch : batches) {
    for (RowIndex row = 0; row < batch->row_count(); ++row) {
      if (batch->ServiceName(row) != service) continue;
      operations.insert({std::string(batch->String(batch->spans().name[row])),
                         batch->spans().kind[row]});
    }
  }
  return std::vector<Operation>(operations.begin(), operations.end());
}

Result<std::vector<DependencyEdge>> MemoryStore::Dependencies(
    const RequestContext& context, UnixNanos start, UnixNanos end) {
  ASSIGN_OR_RETURN(const Batches batches, Snapshot(context));
  const TraceStarts starts = StartsOf(batches);
  using SpanName = std::pair<TraceId, model::SpanId>;
  std::map<SpanName, std::string> services;
  for (const SpanBatchPtr& batch : batches) {
    for (RowIndex row = 0; row < batch->row_count(); ++row) {
      const SpanName name{batch->spans().trace_id[row],
                          batch->spans().span_id[row]};
      // Two kinds under one id (Zipkin's shared spans): the least name, so
      // that the answer does not depend on the order of arrival.
      auto [at, added] = services.emplace(name, batch->ServiceName(row));
      if (!added) {
        at->second = std::min(at->second, std::string(batch->ServiceName(row)));
      }
    }
  }
  std::map<std::pair<std::string, std::string>, uint64_t> calls;
  for (const SpanBatchPtr& batch : batches) {
    for (RowIndex row = 0; row < batch->row_count(); ++row) {
      const TraceId& id = batch->spans().trace_id[row];
      const UnixNanos trace_start = starts.at(id);
      if (trace_start < start || trace_start > end) continue;
      const model::SpanId parent_id = batch->spans().parent_span_id[row];
      if (parent_id.IsZero()) continue;
      const auto parent = services.find(SpanName{id, parent_id});
      if (parent == services.end()) continue;
      ++calls[{parent->second, std::string(batch->ServiceName(row))}];
    }
  }
  std::vector<DependencyEdge> edges;
  for (const auto& [pair, count] : calls) {
    edges.push_back({pair.first, pair.second, count});
  }
  return edges;
}

Result<aggregate::Partial> MemoryStore::Aggregate(
    const RequestContext& context, const AggregateRequest& request) {
  ASSIGN_OR_RETURN(const Batches batches, Snapshot(context));
  RETURN_IF_ERROR(Validate(request));
  aggregate::Partial result;
  result.Merge(aggregate::AggregateBatches(batches), request.MergeOptions());
  return result;
}

Result<std::unique_ptr<FrameScan>> MemoryStore::Scan(
    const RequestContext& context, const FrameRequest& request) {
  ASSIGN_OR_RETURN(Batches batches, Snapshot(context));
  return std::unique_ptr<FrameScan>(
      std::make_unique<MemoryScan>(std::move(batches), request));
}

Result<AttributeKeys> MemoryStore::Keys(const RequestContext& context,
                                        UnixNanos start, UnixNanos end) {
  ASSIGN_OR_RETURN(const Batches batches, Snapshot(context));
  AttributeKeys keys;
  for (const SpanBatchPtr& batch : batches) {
    const auto add = [&batch](model::AttrRange range, AttributeKeys::Keys* to) {
      for (const model::Attr& attr : batch->Attributes(range)) {
        to->emplace(batch->Key(attr.key));
      }
    };
    for (RowIndex row = 0; row < batch->row_count(); ++row) {
      const UnixNanos begin = batch->spans().start[row];
      const UnixNanos until = std::max(begin, batch->spans().end[row]);
      if (begin > end || until < start) continue;
      add(batch->spans().attributes[row], &keys.span);
      add(batch->ScopeOf(row).attributes, &keys.instrumentation);
      add(batch->ResourceOf(row).attributes, &keys.resource);
      const model::AttrRange events = batch->EventRange(row);
      for (uint32_t i = events.begin; i < events.end; ++i) {
        add(batch->events().attributes[i], &keys.event);
      }
      const model::AttrRange links = batch->LinkRange(row);
      for (uint32_t i = links.begin; i < links.end; ++i) {
        add(batch->links().attributes[i], &keys.link);
      }
    }
  }
  return keys;
}

Result<StoreStats> MemoryStore::Stats(const RequestContext& context) {
  ASSIGN_OR_RETURN(const Batches batches, Snapshot(context));
  StoreStats stats;
  for (const SpanBatchPtr& batch : batches) {
    stats.spans += batch->row_count();
    stats.head_bytes += batch->MemoryBytes();
    for (const UnixNanos start : batch->spans().start) {
      stats.oldest = std::min(stats.oldest.value_or(start), start);
      stats.newest = std::max(stats.newest.value_or(start), start);
    }
  }
  stats.head_spans = stats.spans;
  return stats;
}

std::vector<std::string> MemoryStore::Tenants() {
  MutexLock lock(mu_);
  std::vector<std::string> names;
  for (const auto& [name, tenant] : tenants_) names.push_back(name);
  return names;
}

Status MemoryStore::Close() {
  MutexLock lock(mu_);
  closed_ = true;
  return {};
}

}  // namespace khtrace::storage::memory
