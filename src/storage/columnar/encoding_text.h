// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "storage/columnar/encoding.h"

// Pages of texts: blocks of values in order, and sorted dictionaries.

namespace khtrace::storage::columnar {

// Texts decoded from a page. Immutable once filled; owns what it points to.
// Moving keeps the views valid.
struct DecodedTexts {
  std::vector<std::string_view> texts;
  std::vector<std::unique_ptr<std::string>> storage;
};

// Appends `texts` (not empty) as blocks of some 32 KiB, each through zstd if
// that pays.
Encoding EncodeTextBlocks(std::span<const std::string_view> texts,
                          int zstd_level, std::string* out);

// Appends texts [begin, begin + n) of a page of `count` texts to `out`;
// decompresses only the blocks that hold them. The range lies within count.
// Views may point into `page`. kDataLoss: malformed. kUnimplemented: unknown
// encoding.
Status DecodeTextBlocks(Encoding encoding, std::string_view page,
                        uint32_t count, uint32_t begin, uint32_t n,
                        DecodedTexts* out);

// Appends sorted distinct `texts`.
Encoding EncodeDictionary(std::span<const std::string_view> texts,
                          int zstd_level, std::string* out);
// All `count` texts; errors as above, kDataLoss also if they are not sorted.
Result<DecodedTexts> DecodeDictionary(Encoding encoding, std::string_view page,
                                      uint32_t count);

// Appends `raw`, through zstd when that is smaller; the encoding of the two
// that was taken.
Encoding EncodeBytes(std::string_view raw, Encoding as_is, Encoding zstd,
                     int zstd_level, std::string* out);
// The way back: `storage` holds what was inflated.
Result<std::string_view> DecodeBytes(Encoding encoding, Encoding as_is,
                                     Encoding zstd, std::string_view page,
                                     std::string* storage);

}  // namespace khtrace::storage::columnar
