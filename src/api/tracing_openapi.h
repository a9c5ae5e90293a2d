// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace khtrace::api {

// The text of tracing_openapi.json, which the build makes part of the program.
std::string_view TracingOpenApi();

}  // namespace khtrace::api
