// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>

#include "base/hash.h"
#include "storage/columnar/encoding_bytes.h"
#include "storage/columnar/part_writer.h"

// The second half of writing a part: rows in their order, as values of
// columns.

namespace khtrace::storage::columnar {
namespace {

using model::AttrRange;
using model::SpanBatch;
using F = ColumnField;

// 1 + the offset of the first span without parent; 0: none.
uint64_t RootOf(std::span<const model::SpanBatchPtr> batches,
                std::span<const RowRef> rows) {
  for (size_t i = 0; i < rows.size(); ++i) {
    const model::SpanColumns& spans = batches[rows[i].batch]->spans();
    if (spans.parent_span_id[rows[i].row].IsZero()) return i + 1;
  }
  return 0;
}

}  // namespace

void PartBuilder::AddTrace(const TraceSlice& trace) {
  const std::span<const RowRef> rows(order_.rows.data() + trace.first,
                                     trace.count);
  uint64_t previous_start = trace.start;
  uint64_t max_end = 0;
  uint64_t errors = 0;
  const uint32_t events_before = group_.events;
  const uint32_t links_before = group_.links;
  for (const RowRef& ref : rows) {
    const model::SpanColumns& spans = batches_[ref.batch]->spans();
    AddSpan(ref, previous_start);
    previous_start = spans.start[ref.row].ns;
    max_end = std::max(max_end, spans.end[ref.row].ns);
    errors += spans.status[ref.row] == model::StatusCode::kError;
  }
  AddParents(trace);
  const auto add = [&](F field, uint64_t value) {
    Field(Table::kTrace, field).AddInt(value);
  };
  add(F::kTraceIdHigh, trace.id.high);
  add(F::kTraceIdLow, trace.id.low);
  add(F::kTraceStart, trace.start);
  add(F::kTraceDuration, max_end > trace.start ? max_end - trace.start : 0);
  add(F::kSpans, trace.count);
  add(F::kEvents, group_.events - events_before);
  add(F::kLinks, group_.links - links_before);
  add(F::kErrors, errors);
  add(F::kRoot, RootOf(batches_, rows));

  if (group_.traces == 0) group_.min_start = trace.start;
  group_.max_start = std::max(group_.max_start, previous_start);
  group_.spans += trace.count;
  ++group_.traces;
  footer_.info.max_start =
      std::max(footer_.info.max_start, UnixNanos{previous_start});
  footer_.info.max_end = std::max(footer_.info.max_end, UnixNanos{max_end});
}

void PartBuilder::AddSpan(const RowRef& ref, uint64_t previous_start) {
  const SpanBatch& batch = *batches_[ref.batch];
  const BatchCodes& codes = codes_[ref.batch];
  const model::SpanColumns& s = batch.spans();
  const model::RowIndex row = ref.row;
  const auto add = [&](F field, uint64_t value) {
    Field(Table::kSpan, field).AddInt(value);
  };
  add(F::kShape,
      Attributes(Table::kSpan)
          .Add(ref.batch, batch, s.attributes[row], codes.attributes));
  const uint64_t start = s.start[row].ns;
  const uint64_t end = s.end[row].ns;
  add(F::kSpanId, s.span_id[row].value);
  add(F::kStart, start - previous_start);
  add(F::kDuration, end > start ? end - start : 0);
  add(F::kEndBefore, end < start ? start - end : 0);
  add(F::kKind, static_cast<uint64_t>(s.kind[row]));
  add(F::kStatus, static_cast<uint64_t>(s.status[row]));
  add(F::kFlags, s.flags[row]);
  AddText(Table::kSpan, F::kName, batch, s.name[row], codes.names[row]);
  AddText(Table::kSpan, F::kStatusMessage, batch, s.status_message[row],
          codes.status_messages[row]);
  AddText(Table::kSpan, F::kTraceState, batch, s.trace_state[row],
          codes.trace_states[row]);
  add(F::kScope, ScopeRow(ref.batch, s.scope[row]));
  add(F::kDroppedAttributes, s.dropped_attributes[row]);
  add(F::kDroppedEvents, s.dropped_events[row]);
  add(F::kDroppedLinks, s.dropped_links[row]);
  add(F::kEvents, batch.EventRange(row).size());
  add(F::kLinks, batch.LinkRange(row).size());
  AddEvents(ref);
  AddLinks(ref);
}

// A parent is looked up among the spans of its trace; the first span with
// the id stands for all.
void PartBuilder::AddParents(const TraceSlice& trace) {
  const std::span<const RowRef> rows(order_.rows.data() + trace.first,
                                     trace.count);
  const auto id_of = [&](size_t i) {
    return batches_[rows[i].batch]->spans().span_id[rows[i].row].value;
  };
  parent_slots_.assign(std::bit_ceil(rows.size() * 2), 0);
  const size_t mask = parent_slots_.size() - 1;
  const auto slot_of = [&](uint64_t id) {
    size_t slot = Mix64(id) & mask;
    while (parent_slots_[slot] != 0 && id_of(parent_slots_[slot] - 1) != id) {
      slot = (slot + 1) & mask;
    }
    return slot;
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    uint32_t& slot = parent_slots_[slot_of(id_of(i))];
    if (slot == 0) slot = static_cast<uint32_t>(i + 1);
  }
  ColumnBuilder& parents = Field(Table::kSpan, F::kParent);
  for (size_t i = 0; i < rows.size(); ++i) {
    const model::SpanColumns& spans = batches_[rows[i].batch]->spans();
    const model::SpanId parent = spans.parent_span_id[rows[i].row];
    if (parent.IsZero()) {
      parents.AddInt(kNoParent);
      continue;
    }
    const uint32_t found = parent_slots_[slot_of(parent.value)];
    if (found == 0) {
      parents.AddInt(kUnknownParent);
      Field(Table::kSpan, F::kParentId).AddInt(parent.value);
    } else {
      parents.AddInt(ZigZag(i - (found - 1)) + kFirstParentDistance);
    }
  }
}

void PartBuilder::AddEvents(const RowRef& ref) {
  const SpanBatch& batch = *batches_[ref.batch];
  const BatchCodes& codes = codes_[ref.batch];
  const model::EventColumns& e = batch.events();
  const uint64_t start = batch.spans().start[ref.row].ns;
  const AttrRange range = batch.EventRange(ref.row);
  for (uint32_t i = range.begin; i < range.end; ++i) {
    Field(Table::kEvent, F::kShape)
        .AddInt(Attributes(Table::kEvent)
                    .Add(ref.batch, batch, e.attributes[i], codes.attributes));
    Field(Table::kEvent, F::kTime).AddInt(ZigZag(e.time[i].ns - start));
    AddText(Table::kEvent, F::kName, batch, e.name[i], codes.event_names[i]);
    Field(Table::kEvent, F::kDroppedAttributes).AddInt(e.dropped_attributes[i]);
  }
  group_.events += range.size();
}

void PartBuilder::AddLinks(const RowRef& ref) {
  const SpanBatch& batch = *batches_[ref.batch];
  const BatchCodes& codes = codes_[ref.batch];
  const model::LinkColumns& l = batch.links();
  const AttrRange range = batch.LinkRange(ref.row);
  const auto add = [&](F field, uint64_t value) {
    Field(Table::kLink, field).AddInt(value);
  };
  for (uint32_t i = range.begin; i < range.end; ++i) {
    add(F::kShape,
        Attributes(Table::kLink)
            .Add(ref.batch, batch, l.attributes[i], codes.attributes));
    add(F::kTraceIdHigh, l.trace_id[i].high);
    add(F::kTraceIdLow, l.trace_id[i].low);
    add(F::kSpanId, l.span_id[i].value);
    AddText(Table::kLink, F::kTraceState, batch, l.trace_state[i],
            codes.link_trace_states[i]);
    add(F::kFlags, l.flags[i]);
    add(F::kDroppedAttributes, l.dropped_attributes[i]);
  }
  group_.links += range.size();
}

void PartBuilder::AddScopesAndResources() {
  // Few rows: their texts are interned once more to learn their codes.
  const auto add_text = [&](Table table, F field, const SpanBatch& batch,
                            model::StringCode text) {
    ColumnBuilder& column = Field(table, field);
    column.AddText(batch, text, column.interner().Intern(batch.String(text)));
  };
  for (const Origin& origin : scopes_) {
    const SpanBatch& batch = *batches_[origin.batch];
    const model::Scope& s = batch.scopes()[origin.index];
    Field(Table::kScope, F::kShape)
        .AddInt(Attributes(Table::kScope)
                    .Add(origin.batch, batch, s.attributes,
                         codes_[origin.batch].attributes));
    Field(Table::kScope, F::kResource).AddInt(origin.resource);
    Field(Table::kScope, F::kDroppedAttributes).AddInt(s.dropped_attributes);
    add_text(Table::kScope, F::kName, batch, s.name);
    add_text(Table::kScope, F::kVersion, batch, s.version);
    add_text(Table::kScope, F::kSchemaUrl, batch, s.schema_url);
  }
  for (const Origin& origin : resources_) {
    const SpanBatch& batch = *batches_[origin.batch];
    const model::Resource& r = batch.resources()[origin.index];
    Field(Table::kResource, F::kShape)
        .AddInt(Attributes(Table::kResource)
                    .Add(origin.batch, batch, r.attributes,
                         codes_[origin.batch].attributes));
    Field(Table::kResource, F::kDroppedAttributes).AddInt(r.dropped_attributes);
    add_text(Table::kResource, F::kSchemaUrl, batch, r.schema_url);
    add_text(Table::kResource, F::kEntityRefs, batch, r.entity_refs);
  }
}

}  // namespace khtrace::storage::columnar
