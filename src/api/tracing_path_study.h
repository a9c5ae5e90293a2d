// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "analysis/path_study.h"
#include "api/tracing_routes.h"
#include "wire/json_writer.h"

// The part of /api/tracing/critical-path that looks at traces themselves.

namespace khtrace::api {

// The parameters that ask for it: see docs/api.md. At least one has to be
// given.
bool AsksForStudy(const TracingParams& params);
// Reads them; the caller looks at CheckParams afterwards.
analysis::PathStudyRequest ReadStudy(TracingCall& call,
                                     const analysis::Window& window);
// "sample": an object.
void PutStudy(wire::JsonWriter& w, const analysis::PathStudyRequest& request,
              const analysis::PathStudy& study);

}  // namespace khtrace::api
