// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "app/terminal.h"
#include "app/traceql_answer.h"

namespace khtrace::app {

// A line for each trace, below it what matched: spansets that were grouped or
// measured, their spans with the values that the query mentions.
std::string RenderTraces(const std::vector<FoundTrace>& traces,
                         const Terminal& terminal);

// A line for each span told, with a column for each attribute.
std::string TracesCsv(const std::vector<FoundTrace>& traces);

}  // namespace khtrace::app
