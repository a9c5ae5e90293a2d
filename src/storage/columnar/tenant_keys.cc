// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>
#include <vector>

#include "storage/columnar/query_losses.h"
#include "storage/columnar/tenant_query.h"

// TraceReader::Keys: of a part its columns' names, of a head its batches.

namespace khtrace::storage::columnar {
namespace {

using model::AttrRange;
using model::RowIndex;
using model::SpanBatch;

// The keys of one batch's spans within a range, each written once.
class BatchKeys {
 public:
  BatchKeys(const SpanBatch& batch, AttributeKeys* keys)
      : batch_(batch), keys_(*keys), scopes_(batch.scopes().size()) {}

  void Collect(UnixNanos start, UnixNanos end) {
    const model::SpanColumns& spans = batch_.spans();
    for (RowIndex row = 0; row < batch_.row_count(); ++row) {
      const UnixNanos until = std::max(spans.start[row], spans.end[row]);
      if (spans.start[row] > end || until < start) continue;
      Mark(spans.attributes[row], &span_);
      scopes_[spans.scope[row]] = true;
      MarkAll(batch_.EventRange(row), batch_.events().attributes, &event_);
      MarkAll(batch_.LinkRange(row), batch_.links().attributes, &link_);
    }
    for (size_t i = 0; i < scopes_.size(); ++i) {
      if (!scopes_[i]) continue;
      const model::Scope& scope = batch_.scopes()[i];
      Mark(scope.attributes, &scope_);
      Mark(batch_.resources()[scope.resource].attributes, &resource_);
    }
    Take(span_, &keys_.span);
    Take(event_, &keys_.event);
    Take(link_, &keys_.link);
    Take(scope_, &keys_.instrumentation);
    Take(resource_, &keys_.resource);
  }

 private:
  using Marks = std::vector<bool>;  // by KeyCode; empty: none

  void Mark(AttrRange range, Marks* marks) {
    if (range.size() == 0) return;
    marks->resize(batch_.key_count());
    for (const model::Attr& attr : batch_.Attributes(range)) {
      (*marks)[attr.key] = true;
    }
  }
  void MarkAll(AttrRange owners, const std::vector<AttrRange>& attributes,
               Marks* marks) {
    for (uint32_t i = owners.begin; i < owners.end; ++i) {
      Mark(attributes[i], marks);
    }
  }
  void Take(const Marks& marks, AttributeKeys::Keys* keys) {
    for (model::KeyCode code = 0; code < marks.size(); ++code) {
      if (marks[code]) keys->emplace(batch_.Key(code));
    }
  }

  const SpanBatch& batch_;
  AttributeKeys& keys_;
  std::vector<bool> scopes_;
  Marks span_;
  Marks event_;
  Marks link_;
  Marks scope_;
  Marks resource_;
};

bool Overlaps(const PartInfo& info, UnixNanos start, UnixNanos end) {
  return info.min_start <= end &&
         std::max(info.max_start, info.max_end) >= start;
}

}  // namespace

Result<AttributeKeys> Keys(const RequestContext& context,
                           const TenantView& view, UnixNanos start,
                           UnixNanos end) {
  QueryLosses losses(view);
  AttributeKeys keys;
  for (const auto& part : *view.parts) {
    RETURN_IF_ERROR(context.Check());
    if (!Overlaps(part->info(), start, end)) continue;
    RETURN_IF_ERROR(losses.Excuse(*part, part->CollectKeys(&keys)));
  }
  for (const HeadView& head : view.heads) {
    RETURN_IF_ERROR(context.Check());
    head.ForEach([&](const HeadBatch& entry) {
      if (entry.min_start <= end) {
        BatchKeys(*entry.batch, &keys).Collect(start, end);
      }
    });
  }
  if (keys == AttributeKeys() && losses.first()) return *losses.first();
  return keys;
}

}  // namespace khtrace::storage::columnar
