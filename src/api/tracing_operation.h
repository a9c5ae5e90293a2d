// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "analysis/analyzer.h"
#include "api/tracing_routes.h"

namespace khtrace::api {

// GET /api/tracing/operations/{name}/analysis and …/trend.
Result<net::HttpResponse> OneOperation(TracingCall& call);

// ASCII letters of either case.
bool ContainsIgnoringCase(std::string_view text, std::string_view part);

// At most five names of operations in the window that may have been meant.
std::vector<std::string> SimilarOperations(const analysis::Snapshot& snapshot,
                                           std::string_view name);

}  // namespace khtrace::api
