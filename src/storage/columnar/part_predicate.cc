// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_predicate.h"

#include <bit>
#include <charconv>
#include <string>

namespace khtrace::storage::columnar {
namespace {

using model::AttrType;
using model::AttrValue;

template <typename T>
bool Ordered(Compare compare, const T& left, const T& right) {
  switch (compare) {
    case Compare::kEqual:
      return left == right;
    case Compare::kNotEqual:
      return left != right;
    case Compare::kLess:
      return left < right;
    case Compare::kLessEqual:
      return left <= right;
    case Compare::kGreater:
      return left > right;
    case Compare::kGreaterEqual:
      return left >= right;
    case Compare::kExists:
      return true;
  }
  return false;
}

std::optional<int64_t> CanonicalInt(const std::string& text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end) return std::nullopt;
  if (std::to_string(value) != text) return std::nullopt;
  return value;
}

}  // namespace

Predicate::Predicate(const Condition& condition)
    : condition_(&condition), text_as_int_(CanonicalInt(condition.text)) {}

bool Predicate::HoldsText(std::string_view text) const {
  switch (condition_->compare) {
    case Compare::kExists:
      return true;
    case Compare::kEqual:
      return text == condition_->text;
    case Compare::kNotEqual:
      return text != condition_->text;
    default:
      return false;
  }
}

bool Predicate::HoldsInteger(uint64_t value) const {
  return Ordered(condition_->compare, value, condition_->integer);
}

bool Predicate::Holds(const AttrValue& value) const {
  const Compare compare = condition_->compare;
  if (compare == Compare::kExists) return true;
  if (compare == Compare::kEqual || compare == Compare::kNotEqual) {
    if (value.type == AttrType::kString) return HoldsText(value.bytes);
    if (value.type == AttrType::kInt) {
      return (text_as_int_ == value.AsInt()) == (compare == Compare::kEqual);
    }
    return HoldsText(model::ToDisplayString(value));
  }
  if (value.type == AttrType::kInt) {
    return Ordered(compare, static_cast<double>(value.AsInt()),
                   condition_->number);
  }
  return value.type == AttrType::kDouble &&
         Ordered(compare, value.AsDouble(), condition_->number);
}

template <typename T>
bool Predicate::MayHoldBetween(T low, T high, T wanted) const {
  switch (condition_->compare) {
    case Compare::kEqual:
      return low <= wanted && wanted <= high;
    case Compare::kLess:
      return low < wanted;
    case Compare::kLessEqual:
      return low <= wanted;
    case Compare::kGreater:
      return high > wanted;
    case Compare::kGreaterEqual:
      return high >= wanted;
    default:
      return true;
  }
}

bool Predicate::MayHold(const Column& column, const Chunk& chunk) const {
  if (!chunk.has_zone) return true;
  if (!column.is_attribute()) {
    return MayHoldBetween(chunk.min, chunk.max, condition_->integer);
  }
  const bool by_text = condition_->compare == Compare::kEqual ||
                       condition_->compare == Compare::kNotEqual;
  if (column.type == TypeOf(AttrType::kInt)) {
    const auto low = static_cast<int64_t>(BiasInt(chunk.min));
    const auto high = static_cast<int64_t>(BiasInt(chunk.max));
    if (!by_text) {
      return MayHoldBetween(static_cast<double>(low), static_cast<double>(high),
                            condition_->number);
    }
    if (!text_as_int_) return condition_->compare == Compare::kNotEqual;
    return MayHoldBetween(low, high, *text_as_int_);
  }
  if (column.type == TypeOf(AttrType::kDouble) && !by_text) {
    return MayHoldBetween(std::bit_cast<double>(chunk.min),
                          std::bit_cast<double>(chunk.max), condition_->number);
  }
  return true;
}

std::optional<std::string_view> Predicate::Needle(ColumnType type) const {
  if (condition_->compare != Compare::kEqual ||
      type != TypeOf(AttrType::kString)) {
    return std::nullopt;
  }
  return condition_->text;
}

}  // namespace khtrace::storage::columnar
