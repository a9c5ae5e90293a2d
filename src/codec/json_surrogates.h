// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace khtrace::codec {

// Replaces in JSON text every \u escape that is half of a surrogate pair by
// \ufffd, and returns how many. JavaScript writes such halves when it cuts a
// text in the middle of an emoji; strict parsers refuse them.
uint64_t ReplaceLoneSurrogates(std::string* json);

}  // namespace khtrace::codec
