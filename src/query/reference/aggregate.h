// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "query/value.h"
#include "traceql/ast.h"

namespace khtrace::query::reference {

// min, max, sum or avg of the numbers among `values`; nil without any. NaN is
// not a number. With a float among them sums and averages are floats;
// otherwise a sum is an int (it wraps), of durations a duration, and an average
// of ints a float, of durations a duration. Of equal values the first is the
// least and the greatest.
Value Aggregated(traceql::AggregateOp op, const std::vector<Value>& values);

}  // namespace khtrace::query::reference
