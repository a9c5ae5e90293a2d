// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "storage/columnar/encoding.h"

// Pages of 64-bit integers, in the encodings that docs/format/part.md lists
// under "Integers".

namespace khtrace::storage::columnar {

// Values that share a bit width. Larger: fewer headers; smaller: an outlier
// costs less and one value is decoded with less waste.
inline constexpr uint32_t kIntBlock = 256;

// What an encoder may choose from.
enum class IntHint : uint8_t {
  kAny,
  kNoConstant,  // the page's size must bound the row count
  kCodes,       // dictionary positions: small already
  kPlain,       // random bits: do not try
  kDoubles,     // also tries byte transposition with zstd
};

// Encodes `values` (not empty) in the smallest form that was found, and says
// which.
Encoding EncodeInts(std::span<const uint64_t> values, IntHint hint,
                    int zstd_level, std::string* out);

// A page of integers, borrowed. Immutable.
class IntPage {
 public:
  // kDataLoss: `bytes` cannot hold `count` values. kUnimplemented: an
  // encoding that we do not know.
  static Result<IntPage> Open(Encoding encoding, std::string_view bytes,
                              uint32_t count);

  uint32_t count() const { return count_; }
  // Writes values [begin, begin + n) to `out`, which has room for n exactly.
  // kDataLoss: malformed inside. The range must lie within count().
  Status Decode(uint32_t begin, uint32_t n, uint64_t* out) const;

 private:
  Status DecodeBlocks(uint32_t begin, uint32_t n, uint64_t* out) const;
  Status DecodeTransposed(uint32_t begin, uint32_t n, uint64_t* out) const;
  Status OpenBlocks(std::string_view bytes);
  Status OpenIndexed(std::string_view bytes);
  size_t BlockBytes(uint32_t block) const;
  // Positions become values where the page is indexed.
  Status Translate(uint32_t n, uint64_t* out) const;
  void DecodeBlock(uint32_t block, const char* packed, uint64_t* out) const;

  Encoding encoding_ = Encoding::kConstant;
  uint32_t count_ = 0;
  std::string_view bytes_;  // plain: values; transposed: the page
  uint64_t constant_ = 0;
  // kIndexed
  const char* distinct_ = nullptr;
  uint32_t distinct_count_ = 0;
  // kPacked, kPatched, kIndexed
  uint64_t base_ = 0;
  uint8_t base_width_ = 0;
  const char* widths_ = nullptr;
  const char* exceptions_ = nullptr;  // counts; null: none
  const char* exception_widths_ = nullptr;
  const char* bases_ = nullptr;
  const char* blocks_ = nullptr;
};

}  // namespace khtrace::storage::columnar
