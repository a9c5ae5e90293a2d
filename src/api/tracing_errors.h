// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "analysis/error_pattern.h"
#include "wire/json_writer.h"

namespace khtrace::api {

// "error_patterns": patterns without their series.
void PutPatterns(wire::JsonWriter& w,
                 std::span<const analysis::ErrorPattern> patterns);

}  // namespace khtrace::api
