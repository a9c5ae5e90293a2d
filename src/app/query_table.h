// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/terminal.h"
#include "base/result.h"
#include "query/trace_summary.h"

namespace khtrace::app {

// Reads an answer of Jaeger's GET /api/v3/trace-summaries. kDataLoss when it
// is something else. Counts left out are zero.
Result<std::vector<query::TraceSummary>> ParseSummaries(std::string_view json);

// One line a trace, newest first: start, duration, spans, errors, root, id.
std::string RenderSummaries(std::vector<query::TraceSummary> summaries,
                            const Terminal& terminal);

}  // namespace khtrace::app
