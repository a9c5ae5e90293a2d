// SPDX-License-Identifier: Apache-2.0
#include "base/request_context.h"

#include <fmt/format.h>

#include <algorithm>

namespace khtrace {

Status ValidateTenant(const std::string& tenant) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  };
  if (tenant.empty() || tenant.size() > 150 || tenant[0] == '.' ||
      !std::all_of(tenant.begin(), tenant.end(), allowed)) {
    return Error{Code::kInvalidArgument,
                 fmt::format("invalid tenant '{}': 1 to 150 letters, digits, "
                             "'_', '-' or '.', not beginning with '.'",
                             tenant.substr(0, 160))};
  }
  return {};
}

}  // namespace khtrace
