// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "aggregate/known_keys.h"
#include "aggregate/partial_builder.h"
#include "storage/columnar/part_writer.h"

namespace khtrace::storage::columnar {

// Makes the aggregates of a part's traces while it is written. What a text or
// a shape means is found out once for each of its codes in the part, and is
// looked up by this number for each span: no text is hashed for a span, and
// attributes are read of those spans alone that call somebody or failed.
class PartBuilder::Aggregates final : public aggregate::SpanDetails {
 public:
  explicit Aggregates(PartBuilder& part);

  // A row group, whose span fields and attributes were added.
  void BeginGroup(std::span<const RowRef> rows);
  // A trace of the group: its rows from `first` on. `trace.spans` is set here.
  void AddTrace(size_t first, size_t count, aggregate::TraceFacts trace);
  aggregate::Partial Take() { return builder_.Take(); }

  aggregate::Target TargetOf(uint32_t row) override;
  void AppendExceptions(uint32_t row,
                        std::vector<aggregate::ErrorFacts>* out) override;
  aggregate::ErrorFacts ErrorOf(uint32_t row) override;

 private:
  using TextId = aggregate::TextId;

  // Numbers by code; those not asked for yet are kUnknown.
  class Numbers {
   public:
    template <typename Make>  // uint32_t()
    uint32_t Get(uint32_t code, const Make& make) {
      if (code >= numbers_.size()) {
        numbers_.resize(std::max<size_t>(code + 1, 2 * numbers_.size()),
                        kUnknown);
      }
      if (numbers_[code] == kUnknown) numbers_[code] = make();
      return numbers_[code];
    }

   private:
    static constexpr uint32_t kUnknown = UINT32_MAX;
    std::vector<uint32_t> numbers_;
  };

  // What a shape's attributes say.
  struct ShapeFacts {
    static constexpr uint32_t kNone = UINT32_MAX;
    bool known = false;
    // Those that say whom a span calls, in columns with codes.
    std::vector<aggregate::KnownKey> targets;
    // Whom a span calls, with keys + 1 for texts; 0: no text.
    aggregate::Target target;
    bool others = false;  // there are some without codes
    aggregate::Trait trait = aggregate::Trait::kNone;
    uint32_t sampling_ratio = kNone;  // where, if it is a double
    // Where in the list of attributes the strings with these keys are.
    std::array<uint32_t, aggregate::kKnownKeys> texts;
    // Whether their codes are those of their column.
    std::array<bool, aggregate::kKnownKeys> coded{};
  };
  // The attributes of a span or event.
  struct Owner {
    uint32_t batch = 0;
    model::AttrRange range;
    const ShapeFacts* shape = nullptr;

    bool Has(aggregate::KnownKey key) const {
      return shape->texts[key] != ShapeFacts::kNone;
    }
  };

  // `shape`: AttributeTable's, as FindShapes told it.
  const ShapeFacts& ShapeOf(Table table, uint32_t shape) {
    const std::vector<ShapeFacts>& known =
        shapes_[static_cast<size_t>(table) - 1];
    if (shape < known.size() && known[shape].known) return known[shape];
    return ReadShape(table, shape);
  }
  const ShapeFacts& ReadShape(Table table, uint32_t shape);
  Owner SpanOwner(uint32_t row);
  Owner EventOwner(uint32_t batch, uint32_t event);
  // make(text) of the text under `key`, once for each text that has a code.
  template <typename Make>  // uint32_t(std::string_view)
  uint32_t Number(Table table, const Owner& owner, aggregate::KnownKey key,
                  const Make& make);
  TextId TextOf(Table table, const Owner& owner, aggregate::KnownKey key);
  // The same of a field's text.
  template <typename Make>
  uint32_t FieldNumber(Numbers* numbers, const ColumnBuilder& column,
                       uint64_t value, const Make& make);
  void ReadTarget(const ShapeFacts& shape, bool outgoing,
                  aggregate::Target* target);
  TextId MessageOf(std::string_view message);
  uint32_t FramesOf(std::string_view stacktrace);
  uint64_t UnsampledByState(uint64_t trace_state);
  uint64_t UnsampledByRatio(const RowRef& ref, const ShapeFacts& shape);
  // `ref`: any span of the scope.
  TextId ServiceOf(uint32_t scope_row, const RowRef& ref);

  PartBuilder& part_;
  aggregate::PartialBuilder builder_;
  // By table of attributes (spans, events).
  std::array<std::vector<ShapeFacts>, 2> shapes_;
  std::array<std::array<Numbers, aggregate::kKnownKeys>, 2> texts_;
  Numbers names_;
  Numbers services_;  // by scope's row
  Numbers status_messages_;
  Numbers trace_states_;  // positions in unsampled_
  Numbers event_names_;   // 1: exception
  std::vector<uint64_t> unsampled_;
  std::vector<std::pair<TextId, uint32_t>> frames_;

  std::span<const RowRef> rows_;  // of the group
  std::vector<aggregate::SpanFacts> facts_;
  // Of outgoing spans whose shape has no `others`.
  std::vector<aggregate::Target> targets_;
  // Columns of known keys, null if no shape had it yet, and the next of their
  // values.
  std::array<const ColumnBuilder*, aggregate::kKnownKeys> columns_{};
  std::array<const uint64_t*, aggregate::kKnownKeys> next_{};
  size_t first_ = 0;  // of the trace
};

}  // namespace khtrace::storage::columnar
