// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace khtrace::api {

using LogfmtPairs = std::vector<std::pair<std::string, std::string>>;

// `service.name=cart error=true name="a b"`: keys without '=' have an empty
// value; quoted values take JSON's escapes. Pairs in order, repeated keys too.
// kInvalidArgument tells the position, as Go's logfmt does. Source:
// https://brandur.org/logfmt
Result<LogfmtPairs> ParseLogfmt(std::string_view text);

}  // namespace khtrace::api
