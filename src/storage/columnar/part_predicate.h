// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "model/attr_value.h"
#include "storage/columnar/part_footer.h"
#include "storage/scan_request.h"

namespace khtrace::storage::columnar {

// One condition applied to values instead of spans; agrees with
// storage::Matches. Borrows the condition. Immutable.
class Predicate {
 public:
  explicit Predicate(const Condition& condition);

  const Condition& condition() const { return *condition_; }
  // Of an attribute's value.
  bool Holds(const model::AttrValue& value) const;
  // Of a text field (service, span name), where no value can be absent.
  bool HoldsText(std::string_view text) const;
  // Of duration, kind or status.
  bool HoldsInteger(uint64_t value) const;
  // False if no value between the zone's bounds can hold.
  bool MayHold(const Column& column, const Chunk& chunk) const;
  // The one string that holds, if that is all there is.
  std::optional<std::string_view> Needle(ColumnType type) const;

 private:
  template <typename T>
  bool MayHoldBetween(T low, T high, T wanted) const;

  const Condition* condition_;
  // The integer that the text denotes, if it is one in canonical form.
  std::optional<int64_t> text_as_int_;
};

}  // namespace khtrace::storage::columnar
