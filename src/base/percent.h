// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace khtrace {

// `text` as one part of a URL, a segment of its path or a value of its query:
// every byte but letters, digits and -._~ as %XX (RFC 3986, 2.1 and 2.3).
std::string PercentEncode(std::string_view text);

}  // namespace khtrace
