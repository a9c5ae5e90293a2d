// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>

#include "base/hash.h"
#include "storage/columnar/encoding_bytes.h"
#include "storage/columnar/part_builder_aggregates.h"
#include "storage/columnar/part_computed.h"
#include "storage/columnar/part_writer.h"

// The second half of writing a part: the rows of a row group in their order,
// column by column, so that a column's values lie together in the cache.

namespace khtrace::storage::columnar {
namespace {

using model::AttrRange;
using model::SpanBatch;
using F = ColumnField;

std::span<const AttrRange> RangesOf(Table table, const SpanBatch& batch) {
  switch (table) {
    case Table::kSpan:
      return batch.spans().attributes;
    case Table::kEvent:
      return batch.events().attributes;
    default:
      return batch.links().attributes;
  }
}

}  // namespace

template <typename Get>
void PartBuilder::Gather(Table table, ColumnField field,
                         std::span<const RowRef> rows, const Get& get) {
  if (rows.empty()) return;
  uint64_t* out = Field(table, field).Extend(rows.size());
  for (const RowRef& ref : rows) *out++ = get(ref, *batches_[ref.batch]);
}

void PartBuilder::GatherTexts(
    Table table, ColumnField field, std::span<const RowRef> rows,
    const std::vector<model::StringCode>& (*texts)(const SpanBatch&),
    std::vector<uint32_t> BatchCodes::*codes) {
  if (Field(table, field).interner().gave_up()) {
    Gather(table, field, rows, [&](const RowRef& ref, const SpanBatch& batch) {
      return TextReference(ref.batch, texts(batch)[ref.row]);
    });
  } else {
    Gather(table, field, rows, [&](const RowRef& ref, const SpanBatch&) {
      return (codes_[ref.batch].*codes)[ref.row];
    });
  }
}

void PartBuilder::AddSpanFields(std::span<const RowRef> rows) {
  const auto gather = [&](F field, const auto& column) {
    Gather(Table::kSpan, field, rows,
           [&](const RowRef& ref, const SpanBatch& batch) {
             return static_cast<uint64_t>((batch.spans().*column)[ref.row]);
           });
  };
  using S = model::SpanColumns;
  gather(F::kKind, &S::kind);
  gather(F::kStatus, &S::status);
  gather(F::kFlags, &S::flags);
  gather(F::kDroppedAttributes, &S::dropped_attributes);
  gather(F::kDroppedEvents, &S::dropped_events);
  gather(F::kDroppedLinks, &S::dropped_links);
  const auto ref_gather = [&](F field, const auto& get) {
    Gather(Table::kSpan, field, rows, get);
  };
  ref_gather(F::kScope, [&](const RowRef& ref, const SpanBatch& batch) {
    return scopes_.RowOf(
        codes_[ref.batch].scopes[batch.spans().scope[ref.row]]);
  });
  ref_gather(F::kEvents, [](const RowRef& ref, const SpanBatch& batch) {
    return batch.EventRange(ref.row).size();
  });
  ref_gather(F::kLinks, [](const RowRef& ref, const SpanBatch& batch) {
    return batch.LinkRange(ref.row).size();
  });
  GatherTexts(
      Table::kSpan, F::kName, rows,
      [](const SpanBatch& b) -> auto& { return b.spans().name; },
      &BatchCodes::names);
  GatherTexts(
      Table::kSpan, F::kStatusMessage, rows,
      [](const SpanBatch& b) -> auto& { return b.spans().status_message; },
      &BatchCodes::status_messages);
  GatherTexts(
      Table::kSpan, F::kTraceState, rows,
      [](const SpanBatch& b) -> auto& { return b.spans().trace_state; },
      &BatchCodes::trace_states);
}

void PartBuilder::AddTimes(std::span<const TraceSlice> traces,
                           std::span<const RowRef> rows) {
  const size_t n = rows.size();
  for (auto* column : {&span_ids_, &parent_ids_, &starts_, &ends_}) {
    column->resize(n);
  }
  for (size_t i = 0; i < n; ++i) {
    const model::SpanColumns& spans = batches_[rows[i].batch]->spans();
    span_ids_[i] = spans.span_id[rows[i].row].value;
    parent_ids_[i] = spans.parent_span_id[rows[i].row].value;
    starts_[i] = spans.start[rows[i].row].ns;
    ends_[i] = spans.end[rows[i].row].ns;
  }
  const auto extend = [&](F field) {
    return Field(Table::kSpan, field).Extend(n);
  };
  std::copy(span_ids_.begin(), span_ids_.end(), extend(F::kSpanId));
  uint64_t* const duration = extend(F::kDuration);
  uint64_t* const end_before = extend(F::kEndBefore);
  uint64_t* const start = extend(F::kStart);
  uint64_t* const parent = extend(F::kParent);
  uint64_t* const critical = extend(F::kCritical);
  for (size_t i = 0; i < n; ++i) {
    const uint64_t length = ends_[i] - starts_[i];
    const bool backwards = ends_[i] < starts_[i];
    duration[i] = backwards ? 0 : length;
    end_before[i] = backwards ? 0 - length : 0;
  }
  size_t first = 0;
  for (const TraceSlice& trace : traces) {
    uint64_t previous = trace.start;
    for (size_t i = first; i < first + trace.count; ++i) {
      start[i] = starts_[i] - previous;
      previous = starts_[i];
    }
    AddParents(trace, first, parent + first);
    AddComputed(trace, first, duration + first, parent + first,
                critical + first);
    if (aggregates_ != nullptr) AddAggregates(trace, first, parent + first);
    first += trace.count;
  }
}

// A parent is looked up among the spans of its trace; the first span with
// the id stands for all.
void PartBuilder::AddParents(const TraceSlice& trace, size_t first,
                             uint64_t* out) {
  const uint64_t* const ids = span_ids_.data() + first;
  parent_slots_.assign(std::bit_ceil(size_t{trace.count} * 2), 0);
  const size_t mask = parent_slots_.size() - 1;
  const auto slot_of = [&](uint64_t id) {
    size_t slot = Mix64(id) & mask;
    while (parent_slots_[slot] != 0 && ids[parent_slots_[slot] - 1] != id) {
      slot = (slot + 1) & mask;
    }
    return slot;
  };
  for (uint32_t i = 0; i < trace.count; ++i) {
    uint32_t& slot = parent_slots_[slot_of(ids[i])];
    if (slot == 0) slot = i + 1;
  }
  for (uint64_t i = 0; i < trace.count; ++i) {
    const uint64_t id = parent_ids_[first + i];
    if (id == 0) {
      out[i] = kNoParent;
      continue;
    }
    const uint64_t found = parent_slots_[slot_of(id)];
    if (found == 0) {
      out[i] = kUnknownParent;
      Field(Table::kSpan, F::kParentId).Add(id);
    } else {
      out[i] = ZigZag(i - (found - 1)) + kFirstParentDistance;
    }
  }
}

// Children mostly run one after the other within their parent: then the time
// that they cover is the sum of their durations, and little is left to store.
void PartBuilder::AddComputed(const TraceSlice& trace, size_t first,
                              const uint64_t* durations,
                              const uint64_t* parents, uint64_t* critical) {
  parent_rows_.resize(trace.count);
  is_parent_.assign(trace.count, 0);
  for (uint32_t i = 0; i < trace.count; ++i) {
    parent_rows_[i] = ParentRow(parents[i], i);
    if (parent_rows_[i] != aggregate::kNoRow) is_parent_[parent_rows_[i]] = 1;
  }
  tree_.SetParents(parent_rows_);
  const auto starts = std::span(starts_).subspan(first, trace.count);
  const auto ends = std::span(ends_).subspan(first, trace.count);
  tree_.ChildTimes(starts, ends, &child_times_);
  tree_.CriticalTimes(starts, ends, CriticalRoot(tree_, parents),
                      &critical_times_);
  for (uint32_t i = 0; i < trace.count; ++i) {
    const uint64_t self = durations[i] - child_times_[i];
    critical[i] = CriticalCode(critical_times_[i], self);
    if (is_parent_[i] == 0) continue;
    uint64_t sum = 0;
    for (const uint32_t child : tree_.children(i)) sum += durations[child];
    Field(Table::kSpan, F::kOverlap).Add(sum - child_times_[i]);
  }
}

// Of the trace that AddComputed has just seen.
void PartBuilder::AddAggregates(const TraceSlice& trace, size_t first,
                                const uint64_t* parents) {
  aggregates_->AddTrace(first, trace.count,
                        {trace.id,
                         {},
                         std::span(starts_).subspan(first, trace.count),
                         std::span(ends_).subspan(first, trace.count),
                         &tree_,
                         CriticalRoot(tree_, parents),
                         critical_times_});
}

// The first span without parent and its scope.
void PartBuilder::AddRoot(std::span<const uint64_t> parent_ids,
                          std::span<const RowRef> rows) {
  const auto found = std::find(parent_ids.begin(), parent_ids.end(), 0);
  uint64_t root = 0;
  uint64_t scope = 0;
  if (found != parent_ids.end()) {
    const RowRef& ref = rows[static_cast<size_t>(found - parent_ids.begin())];
    root = static_cast<uint64_t>(found - parent_ids.begin()) + 1;
    scope =
        codes_[ref.batch].scopes[batches_[ref.batch]->spans().scope[ref.row]];
    scope = scopes_.RowOf(static_cast<uint32_t>(scope)) + 1;
  }
  Field(Table::kTrace, F::kRoot).Add(root);
  Field(Table::kTrace, F::kScope).Add(scope);
  ColumnBuilder& names = Field(Table::kTrace, F::kName);
  names.Add(names.interner().gave_up() ? root_names_[next_root_].reference
                                       : root_names_[next_root_].code);
  ++next_root_;
}

void PartBuilder::AddTraces(std::span<const TraceSlice> traces,
                            std::span<const RowRef> rows) {
  const auto add = [&](F field, uint64_t value) {
    Field(Table::kTrace, field).Add(value);
  };
  size_t first = 0;
  for (const TraceSlice& trace : traces) {
    uint64_t max_end = 0;
    uint64_t errors = 0;
    uint64_t events = 0;
    uint64_t links = 0;
    for (size_t i = first; i < first + trace.count; ++i) {
      const SpanBatch& batch = *batches_[rows[i].batch];
      max_end = std::max(max_end, ends_[i]);
      errors += batch.spans().status[rows[i].row] == model::StatusCode::kError;
      events += batch.EventRange(rows[i].row).size();
      links += batch.LinkRange(rows[i].row).size();
    }
    add(F::kTraceIdHigh, trace.id.high);
    add(F::kTraceIdLow, trace.id.low);
    add(F::kTraceStart, trace.start);
    add(F::kTraceDuration, max_end > trace.start ? max_end - trace.start : 0);
    add(F::kSpans, trace.count);
    add(F::kEvents, events);
    add(F::kLinks, links);
    add(F::kErrors, errors);
    AddRoot(std::span(parent_ids_).subspan(first, trace.count),
            rows.subspan(first, trace.count));
    first += trace.count;
    group_.max_start = std::max(group_.max_start, starts_[first - 1]);
    footer_.info.max_end = std::max(footer_.info.max_end, UnixNanos{max_end});
  }
}

void PartBuilder::AddAttributes(Table table, std::span<const RowRef> rows) {
  if (rows.empty()) return;
  std::vector<AttributeTable::Owners> owners;
  const size_t t = static_cast<size_t>(table) - 1;
  for (uint32_t b = 0; b < batches_.size(); ++b) {
    owners.push_back({batches_[b].get(), b, RangesOf(table, *batches_[b]),
                      codes_[b].shapes[t], codes_[b].attributes});
  }
  AttributeTable& attributes = Attributes(table);
  if (table == Table::kSpan) {
    span_shapes_.resize(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      span_shapes_[i] = owners[rows[i].batch].shapes[rows[i].row];
    }
  }
  Gather(table, F::kShape, rows, [&](const RowRef& ref, const SpanBatch&) {
    return attributes.ShapeNumber(owners[ref.batch].shapes[ref.row]);
  });
  attributes.Add(rows, owners);
}

void PartBuilder::AddEvents(std::span<const RowRef> rows) {
  std::vector<RowRef> events;
  std::vector<uint64_t> starts;
  for (size_t i = 0; i < rows.size(); ++i) {
    const AttrRange range = batches_[rows[i].batch]->EventRange(rows[i].row);
    for (uint32_t event = range.begin; event < range.end; ++event) {
      events.push_back({rows[i].batch, event});
      starts.push_back(starts_[i]);
    }
  }
  size_t next = 0;
  Gather(Table::kEvent, F::kTime, events,
         [&](const RowRef& ref, const SpanBatch& batch) {
           return ZigZag(batch.events().time[ref.row].ns - starts[next++]);
         });
  Gather(Table::kEvent, F::kDroppedAttributes, events,
         [](const RowRef& ref, const SpanBatch& batch) {
           return batch.events().dropped_attributes[ref.row];
         });
  GatherTexts(
      Table::kEvent, F::kName, events,
      [](const SpanBatch& b) -> auto& { return b.events().name; },
      &BatchCodes::event_names);
  AddAttributes(Table::kEvent, events);
  group_.events = static_cast<uint32_t>(events.size());
}

void PartBuilder::AddLinks(std::span<const RowRef> rows) {
  std::vector<RowRef> links;
  for (const RowRef& row : rows) {
    const AttrRange range = batches_[row.batch]->LinkRange(row.row);
    for (uint32_t link = range.begin; link < range.end; ++link) {
      links.push_back({row.batch, link});
    }
  }
  const auto gather = [&](F field, const auto& get) {
    Gather(Table::kLink, field, links,
           [&](const RowRef& ref, const SpanBatch& batch) {
             return get(batch.links(), ref.row);
           });
  };
  using L = model::LinkColumns;
  gather(F::kTraceIdHigh,
         [](const L& l, size_t i) { return l.trace_id[i].high; });
  gather(F::kTraceIdLow,
         [](const L& l, size_t i) { return l.trace_id[i].low; });
  gather(F::kSpanId, [](const L& l, size_t i) { return l.span_id[i].value; });
  gather(F::kFlags, [](const L& l, size_t i) { return l.flags[i]; });
  gather(F::kDroppedAttributes,
         [](const L& l, size_t i) { return l.dropped_attributes[i]; });
  GatherTexts(
      Table::kLink, F::kTraceState, links,
      [](const SpanBatch& b) -> auto& { return b.links().trace_state; },
      &BatchCodes::link_trace_states);
  AddAttributes(Table::kLink, links);
  group_.links = static_cast<uint32_t>(links.size());
}

void PartBuilder::AddGroup(std::span<const TraceSlice> traces) {
  const size_t first = traces.front().first;
  const size_t end = traces.back().first + traces.back().count;
  const std::span<const RowRef> rows(order_.rows.data() + first, end - first);
  group_ = {};
  group_.spans = static_cast<uint32_t>(rows.size());
  group_.traces = static_cast<uint32_t>(traces.size());
  group_.min_start = traces.front().start;
  AddSpanFields(rows);
  AddAttributes(Table::kSpan, rows);
  if (aggregates_ != nullptr) aggregates_->BeginGroup(rows);
  AddTimes(traces, rows);
  AddEvents(rows);
  AddLinks(rows);
  AddTraces(traces, rows);
  footer_.info.max_start =
      std::max(footer_.info.max_start, UnixNanos{group_.max_start});
  for (const Table table :
       {Table::kSpan, Table::kEvent, Table::kLink, Table::kTrace}) {
    FinishChunks(table);
  }
  footer_.groups.push_back(group_);
}

}  // namespace khtrace::storage::columnar
