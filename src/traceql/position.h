// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace khtrace::traceql {

// Where something stands in the text of a query: lines and columns count from
// 1, columns in characters (not bytes). 0 means unknown: nodes that were not
// parsed. All positions compare equal, so that `==` on a tree compares meaning
// and not layout.
struct Position {
  uint32_t line = 0;
  uint32_t column = 0;

  friend bool operator==(const Position&, const Position&) { return true; }
};

}  // namespace khtrace::traceql
