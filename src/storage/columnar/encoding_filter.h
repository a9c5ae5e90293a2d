// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

// Split-block Bloom filters, the layout that Apache Parquet specifies
// (parquet-format, BloomFilter.md), over XXH3 hashes.

namespace khtrace::storage::columnar {

// Appends a filter over distinct `hashes` (Hash64 of the texts).
void EncodeFilter(std::span<const uint64_t> hashes, std::string* out);
// False: the text with this hash is certainly not in the filter's chunk.
// kDataLoss: the page is no filter.
Result<bool> FilterMayContain(std::string_view page, uint64_t hash);

}  // namespace khtrace::storage::columnar
