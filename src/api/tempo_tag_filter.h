// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "traceql/ast.h"

namespace khtrace::api {

// The filter of a query that may still be under someone's hands: of
// `{ span.http.method = "GET" && span.db.system = }` what is complete. A
// condition that cannot be read counts as true. Nothing: there is no filter,
// or more than one, or it is true of every span. kInvalidArgument: "maximum
// condition groups reached", when written out as alternatives (as Tempo does)
// there are more than kMaxConditionGroups.
Result<std::optional<traceql::FieldExpr>> ReadTagFilter(std::string_view query);

inline constexpr size_t kMaxConditionGroups = 100;

}  // namespace khtrace::api
