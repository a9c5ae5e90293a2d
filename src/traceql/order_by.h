// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "traceql/ast.h"

namespace khtrace::traceql {

// What the traces of a search are ordered by.
struct OrderBy {
  enum class Key : uint8_t {
    kStart,       // of the earliest span
    kDuration,    // of the trace
    kSpanCount,   // of the trace, whatever the query kept of it
    kErrorCount,  // spans with an error, likewise
  };
  Key key = Key::kStart;
  bool descending = true;

  bool operator==(const OrderBy&) const = default;
};

// Reads "duration", "start asc", "errorCount desc": a key and, behind a space,
// a direction; from large to small without one. kInvalidArgument for anything
// else.
Result<OrderBy> ParseOrderBy(std::string_view text);

// What ParseOrderBy reads, with the direction.
std::string ToString(const OrderBy& order);

// The hint that says it.
inline constexpr std::string_view kOrderHint = "order_by";

// What the hint `order_by` says; nothing without one of type string.
// kInvalidArgument: it says nothing that can be ordered by; CheckQuery refuses
// such queries.
Result<std::optional<OrderBy>> OrderOf(const Query& query);

}  // namespace khtrace::traceql
