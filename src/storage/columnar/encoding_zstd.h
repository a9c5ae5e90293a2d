// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace khtrace::storage::columnar {

// Appends `raw` as one zstd frame.
void AppendZstd(std::string_view raw, int level, std::string* out);
// Replaces `out`. kDataLoss unless the frame holds exactly `raw_size` bytes.
// A frame too small to hold them is refused before memory is taken.
Status ReadZstd(std::string_view frame, size_t raw_size, std::string* out);

}  // namespace khtrace::storage::columnar
