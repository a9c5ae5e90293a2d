// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "aggregate/partial.h"

// For tests only.

namespace khtrace::aggregate {

// Every row on a line, sorted: equal for equal partials.
std::string DescribePartial(const Partial& partial);

}  // namespace khtrace::aggregate
