// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "analysis/analyzer.h"
#include "api/tracing_routes.h"
#include "wire/json_writer.h"

// Parts that the summary and the overview have in common.

namespace khtrace::api {

// "spans", "grade", "no_grade_reason", "grade_distribution", "attained_share";
// "hint" if there is nothing.
void PutOverall(wire::JsonWriter& w, const TracingCall& call,
                const analysis::Snapshot& snapshot);
// "categories": those with targets first, then operations without a category.
void PutCategories(wire::JsonWriter& w, const analysis::Snapshot& snapshot,
                   const analysis::AnalysisOptions& options);
// "services", the worst grade first. `series`: by service, may be nullptr.
void PutServices(
    wire::JsonWriter& w, const analysis::Snapshot& snapshot,
    const std::map<std::string, std::vector<analysis::TimePoint>>* series);
// "trend": {slower, faster, same, new, unknown}: operations against the window
// before.
void PutTrendOfAll(wire::JsonWriter& w, const analysis::Snapshot& snapshot);
// Why a list of bottlenecks is empty.
std::string NoBottleneckHint(const TracingCall& call,
                             const analysis::BottleneckRequest& request);

}  // namespace khtrace::api
