// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/ids.h"
#include "query/search.h"
#include "traceql/ast.h"
#include "traceql/order_by.h"

// The order of a search's traces, and places in it.

namespace khtrace::query {

// Where a trace stands.
struct TraceRank {
  uint64_t value = 0;  // what is ordered by
  uint64_t start = 0;  // Unix nanoseconds
  model::TraceId id;

  bool operator==(const TraceRank&) const = default;
};

// By value in the direction asked for; of equal ones the newest first, then by
// trace id. Total: no two traces are at one place. Immutable.
class TraceOrder {
 public:
  explicit TraceOrder(traceql::OrderBy by = {}) : by_(by) {}

  const traceql::OrderBy& by() const { return by_; }
  bool Before(const TraceRank& a, const TraceRank& b) const;
  // Likewise, whatever the ids are: false where only they decide.
  bool SurelyBefore(const TraceRank& a, const TraceRank& b) const;
  TraceRank RankOf(const TraceHit& hit) const;

 private:
  traceql::OrderBy by_;
};

// A place as text: what SearchResult::next says. `query` names the query.
std::string WriteCursor(const TraceOrder& order, uint64_t query,
                        const TraceRank& last);
// kInvalidArgument: it is no cursor, or that of another query or order.
Result<TraceRank> ReadCursor(const TraceOrder& order, uint64_t query,
                             std::string_view text);
// What names a query to its cursors: a hash of what it keeps and shows.
uint64_t CursorNameOf(const traceql::Pipeline& pipeline);

}  // namespace khtrace::query
