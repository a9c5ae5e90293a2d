// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_builder_aggregates.h"

#include <bit>

#include "aggregate/error_text.h"
#include "aggregate/span_traits.h"

namespace khtrace::storage::columnar {

using aggregate::ErrorFacts;
using aggregate::KnownKey;
using aggregate::SpanFacts;
using aggregate::Trait;
using model::SpanBatch;
using F = ColumnField;

namespace {

bool IsOfTarget(KnownKey key) { return key <= aggregate::kNetPeerName; }

}  // namespace

PartBuilder::Aggregates::Aggregates(PartBuilder& part) : part_(part) {}

const PartBuilder::Aggregates::ShapeFacts& PartBuilder::Aggregates::ReadShape(
    Table table, uint32_t shape) {
  std::vector<ShapeFacts>& shapes = shapes_[static_cast<size_t>(table) - 1];
  if (shape >= shapes.size()) shapes.resize(size_t{shape} * 2 + 1);
  ShapeFacts& facts = shapes[shape];
  facts.known = true;
  facts.texts.fill(ShapeFacts::kNone);
  AttributeTable& attributes = part_.Attributes(table);
  for (uint32_t i = 0; i < attributes.ShapeSize(shape); ++i) {
    const auto key = attributes.KeyOf(shape, i);
    facts.trait =
        aggregate::LeastTrait(facts.trait, aggregate::TraitOfKey(key.text));
    const KnownKey known = aggregate::KnownKeyOf(key.text);
    if (known == aggregate::kNoKey) continue;
    if (known == aggregate::kSamplingRatio &&
        key.type == TypeOf(model::AttrType::kDouble)) {
      facts.sampling_ratio = i;
    }
    if (key.type != TypeOf(model::AttrType::kString)) continue;
    facts.texts[known] = i;
    facts.coded[known] = key.coded;
    if (table != Table::kSpan || !IsOfTarget(known)) continue;
    facts.others |= !key.coded;
    if (!key.coded) continue;
    facts.targets.push_back(known);
    if (columns_[known] != nullptr) continue;
    columns_[known] = attributes.columns()[key.column].get();
    next_[known] = columns_[known]->values().data();
  }
  facts.target = aggregate::TargetFrom(
      [&](KnownKey key) { return facts.texts[key] != ShapeFacts::kNone; },
      [](KnownKey key) { return TextId{uint32_t{key} + 1}; });
  return facts;
}

PartBuilder::Aggregates::Owner PartBuilder::Aggregates::SpanOwner(
    uint32_t row) {
  const RowRef& ref = rows_[first_ + row];
  return {ref.batch, part_.batches_[ref.batch]->spans().attributes[ref.row],
          &ShapeOf(Table::kSpan, part_.codes_[ref.batch].shapes[0][ref.row])};
}

PartBuilder::Aggregates::Owner PartBuilder::Aggregates::EventOwner(
    uint32_t batch, uint32_t event) {
  return {batch, part_.batches_[batch]->events().attributes[event],
          &ShapeOf(Table::kEvent, part_.codes_[batch].shapes[1][event])};
}

template <typename Make>
uint32_t PartBuilder::Aggregates::Number(Table table, const Owner& owner,
                                         KnownKey key, const Make& make) {
  const SpanBatch& batch = *part_.batches_[owner.batch];
  const uint32_t at = owner.range.begin + owner.shape->texts[key];
  const auto number = [&] {
    const model::Attr& attr = batch.data().attributes[at];
    return make(batch.String(static_cast<model::StringCode>(attr.payload)));
  };
  if (!owner.shape->coded[key]) return number();
  return texts_[static_cast<size_t>(table) - 1][key].Get(
      part_.codes_[owner.batch].attributes[at], number);
}

aggregate::TextId PartBuilder::Aggregates::TextOf(Table table,
                                                  const Owner& owner,
                                                  KnownKey key) {
  return {Number(table, owner, key, [&](std::string_view text) {
    return builder_.Intern(text).value;
  })};
}

template <typename Make>
uint32_t PartBuilder::Aggregates::FieldNumber(Numbers* numbers,
                                              const ColumnBuilder& column,
                                              uint64_t value,
                                              const Make& make) {
  if (column.interner().gave_up()) {
    return make(part_.batches_[value >> 32]->String(
        static_cast<model::StringCode>(value)));
  }
  return numbers->Get(static_cast<uint32_t>(value),
                      [&] { return make(column.interner().texts()[value]); });
}

aggregate::TextId PartBuilder::Aggregates::MessageOf(std::string_view message) {
  return builder_.Intern(aggregate::NormaliseMessage(message));
}

uint32_t PartBuilder::Aggregates::FramesOf(std::string_view stacktrace) {
  const aggregate::Frames frames = aggregate::OwnFrames(stacktrace);
  frames_.push_back({builder_.Intern(frames.top), frames.hash});
  return static_cast<uint32_t>(frames_.size() - 1);
}

uint64_t PartBuilder::Aggregates::UnsampledByState(uint64_t trace_state) {
  return unsampled_[FieldNumber(
      &trace_states_, part_.Field(Table::kSpan, F::kTraceState), trace_state,
      [&](std::string_view text) {
        const auto probability = aggregate::SamplingProbability(text);
        unsampled_.push_back(probability ? aggregate::UnsampledOf(*probability)
                                         : 0);
        return static_cast<uint32_t>(unsampled_.size() - 1);
      })];
}

uint64_t PartBuilder::Aggregates::UnsampledByRatio(const RowRef& ref,
                                                   const ShapeFacts& shape) {
  const SpanBatch& batch = *part_.batches_[ref.batch];
  const model::Attr& attr =
      batch.data().attributes[batch.spans().attributes[ref.row].begin +
                              shape.sampling_ratio];
  return aggregate::UnsampledOf(std::bit_cast<double>(attr.payload));
}

aggregate::TextId PartBuilder::Aggregates::ServiceOf(uint32_t scope_row,
                                                     const RowRef& ref) {
  return {services_.Get(scope_row, [&] {
    return builder_.Intern(part_.batches_[ref.batch]->ServiceName(ref.row))
        .value;
  })};
}

// The values of a column lie in the order of rows: those of one span are the
// next ones of its columns, whether they are needed or not.
void PartBuilder::Aggregates::ReadTarget(const ShapeFacts& shape, bool outgoing,
                                         aggregate::Target* target) {
  const auto text = [&](TextId key_number) -> TextId {
    if (key_number.value == 0) return {};
    const uint32_t key = key_number.value - 1;
    const auto code = static_cast<uint32_t>(*next_[key]);
    return {texts_[0][key].Get(code, [&] {
      return builder_.Intern(columns_[key]->interner().texts()[code]).value;
    })};
  };
  if (outgoing && !shape.others) {
    *target = {shape.target.type, text(shape.target.name),
               text(shape.target.address)};
  }
  for (const KnownKey key : shape.targets) ++next_[key];
}

void PartBuilder::Aggregates::BeginGroup(std::span<const RowRef> rows) {
  rows_ = rows;
  facts_.resize(rows.size());
  targets_.resize(rows.size());
  for (size_t key = 0; key < columns_.size(); ++key) {
    if (columns_[key] != nullptr) next_[key] = columns_[key]->values().data();
  }
  const auto values = [&](F field) {
    return part_.Field(Table::kSpan, field).values();
  };
  const std::span<const uint64_t> scopes = values(F::kScope);
  const std::span<const uint64_t> names = values(F::kName);
  const std::span<const uint64_t> kinds = values(F::kKind);
  const std::span<const uint64_t> statuses = values(F::kStatus);
  const std::span<const uint64_t> events = values(F::kEvents);
  const std::span<const uint64_t> trace_states = values(F::kTraceState);
  const ColumnBuilder& name_column = part_.Field(Table::kSpan, F::kName);
  uint64_t by_state = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const ShapeFacts& shape = ShapeOf(Table::kSpan, part_.span_shapes_[i]);
    SpanFacts& facts = facts_[i];
    facts.service = ServiceOf(static_cast<uint32_t>(scopes[i]), rows[i]);
    facts.name = {FieldNumber(
        &names_, name_column, names[i],
        [&](std::string_view text) { return builder_.Intern(text).value; })};
    facts.kind = static_cast<model::SpanKind>(kinds[i]);
    facts.status = static_cast<model::StatusCode>(statuses[i]);
    facts.trait = shape.trait;
    facts.has_events = events[i] > 0;
    // Neighbours mostly have the same, and it counts before the attribute.
    if (i == 0 || trace_states[i] != trace_states[i - 1]) {
      by_state = UnsampledByState(trace_states[i]);
    }
    facts.unsampled = by_state == 0 && shape.sampling_ratio != ShapeFacts::kNone
                          ? UnsampledByRatio(rows[i], shape)
                          : by_state;
    ReadTarget(shape, aggregate::IsOutgoing(facts.kind), &targets_[i]);
  }
}

void PartBuilder::Aggregates::AddTrace(size_t first, size_t count,
                                       aggregate::TraceFacts trace) {
  first_ = first;
  trace.spans = std::span(facts_).subspan(first, count);
  builder_.AddTrace(trace, *this);
}

aggregate::Target PartBuilder::Aggregates::TargetOf(uint32_t row) {
  if (!ShapeOf(Table::kSpan, part_.span_shapes_[first_ + row]).others) {
    return targets_[first_ + row];
  }
  const Owner owner = SpanOwner(row);
  return aggregate::TargetFrom(
      [&](KnownKey key) { return owner.Has(key); },
      [&](KnownKey key) { return TextOf(Table::kSpan, owner, key); });
}

void PartBuilder::Aggregates::AppendExceptions(uint32_t row,
                                               std::vector<ErrorFacts>* out) {
  const RowRef& ref = rows_[first_ + row];
  const SpanBatch& batch = *part_.batches_[ref.batch];
  const model::AttrRange range = batch.EventRange(ref.row);
  for (uint32_t event = range.begin; event < range.end; ++event) {
    const ColumnBuilder& names = part_.Field(Table::kEvent, F::kName);
    const uint64_t name =
        names.interner().gave_up()
            ? TextReference(ref.batch, batch.events().name[event])
            : part_.codes_[ref.batch].event_names[event];
    const auto is_exception = [](std::string_view text) -> uint32_t {
      return text == "exception" ? 1 : 0;
    };
    if (FieldNumber(&event_names_, names, name, is_exception) == 0) continue;
    const Owner owner = EventOwner(ref.batch, event);
    ErrorFacts& error = out->emplace_back();
    if (owner.Has(aggregate::kExceptionType)) {
      error.type = TextOf(Table::kEvent, owner, aggregate::kExceptionType);
    }
    if (owner.Has(aggregate::kExceptionMessage)) {
      error.message = {
          Number(Table::kEvent, owner, aggregate::kExceptionMessage,
                 [&](std::string_view text) { return MessageOf(text).value; })};
    }
    if (owner.Has(aggregate::kExceptionStacktrace)) {
      const auto& [top, hash] = frames_[Number(
          Table::kEvent, owner, aggregate::kExceptionStacktrace,
          [&](std::string_view text) { return FramesOf(text); })];
      error.frame = top;
      error.frames = hash;
    }
  }
}

ErrorFacts PartBuilder::Aggregates::ErrorOf(uint32_t row) {
  const Owner owner = SpanOwner(row);
  ErrorFacts error;
  if (owner.Has(aggregate::kErrorType)) {
    error.type = TextOf(Table::kSpan, owner, aggregate::kErrorType);
  }
  const ColumnBuilder& messages = part_.Field(Table::kSpan, F::kStatusMessage);
  error.message = {FieldNumber(
      &status_messages_, messages, messages.values()[first_ + row],
      [&](std::string_view text) { return MessageOf(text).value; })};
  return error;
}

}  // namespace khtrace::storage::columnar
