// SPDX-License-Identifier: Apache-2.0
#include "traceql/order_by.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace khtrace::traceql {
namespace {

using Key = OrderBy::Key;

constexpr std::pair<std::string_view, Key> kKeys[] = {
    {"start", Key::kStart},
    {"duration", Key::kDuration},
    {"spanCount", Key::kSpanCount},
    {"errorCount", Key::kErrorCount},
};

}  // namespace

Result<OrderBy> ParseOrderBy(std::string_view text) {
  const size_t space = std::min(text.find(' '), text.size());
  const std::string_view name = text.substr(0, space);
  const std::string_view direction = text.substr(space);
  const auto* known =
      std::find_if(std::begin(kKeys), std::end(kKeys),
                   [&](const auto& key) { return key.first == name; });
  const bool ascending = direction == " asc";
  const bool descending = direction.empty() || direction == " desc";
  if (known == std::end(kKeys) || (!ascending && !descending)) {
    return Error{Code::kInvalidArgument,
                 fmt::format("cannot order by \"{}\": expected start, "
                             "duration, spanCount or errorCount, and perhaps "
                             "asc or desc after it, as in \"duration desc\"",
                             text)};
  }
  return OrderBy{known->second, descending};
}

std::string ToString(const OrderBy& order) {
  const auto* known =
      std::find_if(std::begin(kKeys), std::end(kKeys),
                   [&](const auto& key) { return key.second == order.key; });
  return fmt::format("{} {}", known->first, order.descending ? "desc" : "asc");
}

Result<std::optional<OrderBy>> OrderOf(const Query& query) {
  const Static* hint = FindHint(query, kOrderHint, Type::kString);
  if (hint == nullptr) return std::optional<OrderBy>();
  ASSIGN_OR_RETURN(const OrderBy order,
                   ParseOrderBy(std::get<std::string>(hint->value)));
  return std::optional<OrderBy>(order);
}

}  // namespace khtrace::traceql
