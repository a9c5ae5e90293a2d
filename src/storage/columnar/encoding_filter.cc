// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/encoding_filter.h"

#include <algorithm>
#include <array>

#include "storage/columnar/encoding_bytes.h"

// filter := block{}; block := word u32 {8}. One bit of each word is set for a
// text.

namespace khtrace::storage::columnar {
namespace {

constexpr size_t kBlockBytes = 32;
// Bits for each distinct text. 10: about 1 % of look-ups read in vain; each
// bit less saves 0.1 B a text and multiplies them by about 1.5.
constexpr size_t kBitsPerText = 10;
constexpr std::array<uint32_t, 8> kSalts = {0x47b6137b, 0x44974d91, 0x8824ad5b,
                                            0xa2b7289d, 0x705495c7, 0x2df1424b,
                                            0x9efc4947, 0x5c6bfb31};

size_t BlockOf(uint64_t hash, size_t blocks) {
  return static_cast<size_t>(((hash >> 32) * blocks) >> 32);
}
uint32_t BitOf(uint64_t hash, size_t word) {
  return uint32_t{1} << ((static_cast<uint32_t>(hash) * kSalts[word]) >> 27);
}

}  // namespace

void EncodeFilter(std::span<const uint64_t> hashes, std::string* out) {
  const size_t blocks =
      std::max<size_t>(1, (hashes.size() * kBitsPerText + kBlockBytes * 8 - 1) /
                              (kBlockBytes * 8));
  const size_t begin = out->size();
  out->resize(begin + blocks * kBlockBytes);
  for (const uint64_t hash : hashes) {
    char* block = out->data() + begin + BlockOf(hash, blocks) * kBlockBytes;
    for (size_t i = 0; i < kSalts.size(); ++i) {
      const uint32_t word = LoadU32(block + i * 4) | BitOf(hash, i);
      std::memcpy(block + i * 4, &word, sizeof word);
    }
  }
}

Result<bool> FilterMayContain(std::string_view page, uint64_t hash) {
  const size_t blocks = page.size() / kBlockBytes;
  if (blocks == 0 || page.size() % kBlockBytes != 0) {
    return Error{Code::kDataLoss, "malformed filter"};
  }
  const char* block = page.data() + BlockOf(hash, blocks) * kBlockBytes;
  for (size_t i = 0; i < kSalts.size(); ++i) {
    if ((LoadU32(block + i * 4) & BitOf(hash, i)) == 0) return false;
  }
  return true;
}

}  // namespace khtrace::storage::columnar
