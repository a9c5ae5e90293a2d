// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/tenant_query.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "model/span_batch_builder.h"
#include "storage/columnar/query_losses.h"

namespace khtrace::storage::columnar {
namespace {

using model::RowIndex;
using model::SpanBatch;
using model::SpanBatchPtr;
using model::TraceId;

// Where a span of the trace lies, in the order of the answer.
struct Place {
  UnixNanos start;
  model::SpanId span_id;
  model::SpanKind kind;
  const SpanBatch* batch;
  RowIndex row;

  auto key() const { return std::tuple(start, span_id, kind); }
};

void AddPlace(const SpanBatch& batch, RowIndex row,
              std::vector<Place>* places) {
  const model::SpanColumns& spans = batch.spans();
  places->push_back(
      {spans.start[row], spans.span_id[row], spans.kind[row], &batch, row});
}

}  // namespace

Result<SpanBatchPtr> GetTrace(const RequestContext& context,
                              const TenantView& view, const TraceId& id) {
  QueryLosses losses(view);
  std::vector<SpanBatchPtr> sources;
  std::vector<Place> places;
  for (const auto& part : *view.parts) {
    RETURN_IF_ERROR(context.Check());
    auto batch = part->GetTrace(context, id);
    if (!batch) {
      RETURN_IF_ERROR(losses.Excuse(*part, std::move(batch).error()));
    } else if (*batch != nullptr) {
      sources.push_back(*batch);
      for (RowIndex row = 0; row < (*batch)->row_count(); ++row) {
        AddPlace(**batch, row, &places);
      }
    }
  }
  for (const HeadView& head : view.heads) {
    head.ForEach([&](const HeadBatch& entry) {
      if (!entry.filter.MayContain(id)) return;
      const std::vector<TraceId>& ids = entry.batch->spans().trace_id;
      for (RowIndex row = 0; row < ids.size(); ++row) {
        if (ids[row] == id) AddPlace(*entry.batch, row, &places);
      }
    });
  }
  if (places.empty()) {
    if (losses.first()) return *losses.first();
    return Error{Code::kNotFound, "trace " + id.ToHex() + " was not found"};
  }
  // Stable: of duplicates the oldest, which comes first, stays.
  std::stable_sort(
      places.begin(), places.end(),
      [](const Place& a, const Place& b) { return a.key() < b.key(); });
  const auto end = std::unique(
      places.begin(), places.end(),
      [](const Place& a, const Place& b) { return a.key() == b.key(); });
  std::vector<model::RowRef> rows;
  rows.reserve(places.size());
  std::for_each(places.begin(), end, [&rows](const Place& place) {
    rows.push_back({place.batch, place.row});
  });
  return SpanBatchPtr(std::make_shared<const SpanBatch>(model::Gather(rows)));
}

Result<std::vector<std::string>> Services(const RequestContext& context,
                                          const TenantView& view) {
  QueryLosses losses(view);
  std::set<std::string> services;
  for (const auto& part : *view.parts) {
    RETURN_IF_ERROR(context.Check());
    RETURN_IF_ERROR(losses.Excuse(*part, part->CollectServices(&services)));
  }
  for (const HeadView& head : view.heads) {
    head.ForEach([&](const HeadBatch& entry) {
      std::string_view last;
      for (RowIndex row = 0; row < entry.batch->row_count(); ++row) {
        const std::string_view name = entry.batch->ServiceName(row);
        if (name == last) continue;
        services.emplace(name);
        last = name;
      }
    });
  }
  services.erase("");
  if (services.empty() && losses.first()) return *losses.first();
  return std::vector<std::string>(services.begin(), services.end());
}

Result<std::vector<Operation>> Operations(const RequestContext& context,
                                          const TenantView& view,
                                          std::string_view service) {
  QueryLosses losses(view);
  std::set<Operation> operations;
  for (const auto& part : *view.parts) {
    RETURN_IF_ERROR(context.Check());
    RETURN_IF_ERROR(
        losses.Excuse(*part, part->CollectOperations(service, &operations)));
  }
  for (const HeadView& head : view.heads) {
    head.ForEach([&](const HeadBatch& entry) {
      const model::SpanColumns& spans = entry.batch->spans();
      // Texts of a compact batch are unique: a code stands for its text.
      std::set<std::pair<model::StringCode, model::SpanKind>> found;
      for (RowIndex row = 0; row < entry.batch->row_count(); ++row) {
        if (entry.batch->ServiceName(row) != service) continue;
        found.emplace(spans.name[row], spans.kind[row]);
      }
      for (const auto& [name, kind] : found) {
        operations.insert({std::string(entry.batch->String(name)), kind});
      }
    });
  }
  if (operations.empty() && losses.first()) return *losses.first();
  return std::vector<Operation>(operations.begin(), operations.end());
}

}  // namespace khtrace::storage::columnar
