// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace khtrace::api {

// The same JSON with line breaks and four blanks a level, as Jaeger's
// `prettyPrint=true` answers. `json` is compact and well formed.
std::string IndentJson(std::string_view json);

}  // namespace khtrace::api
