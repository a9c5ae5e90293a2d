// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "app/terminal.h"

namespace khtrace::app {

// What a server says of a query that it refuses; where it names "line 1, col
// 5", that line of the query follows with a caret below the place.
std::string RefusalText(std::string_view message, std::string_view query,
                        const Terminal& terminal);

}  // namespace khtrace::app
