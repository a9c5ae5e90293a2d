// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "analysis/critical_path.h"
#include "wire/json_writer.h"

namespace khtrace::api {

// "shares": of critical paths, by operation.
void PutShares(wire::JsonWriter& w,
               const std::vector<analysis::PathShare>& shares);

}  // namespace khtrace::api
