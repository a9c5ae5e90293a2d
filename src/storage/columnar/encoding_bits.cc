// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/encoding_bits.h"

#include <array>
#include <utility>

#include "storage/columnar/encoding_bytes.h"

namespace khtrace::storage::columnar {
namespace {

// `shift` + `width` may reach 71 bits: then a ninth byte has the rest.
inline uint64_t Extract(const char* p, unsigned shift, unsigned width) {
  uint64_t value = LoadU64(p) >> shift;
  if (shift + width > 64) {
    value |= static_cast<uint64_t>(static_cast<uint8_t>(p[8])) << (64 - shift);
  }
  return value & WidthMask(width);
}

// Eight values are exactly Width bytes, so all shifts are constants.
template <unsigned Width>
void Unpack(const char* p, size_t count, uint64_t* out) {
  for (size_t i = 0; i < count; i += 8) {
#pragma GCC unroll 8
    for (unsigned j = 0; j < 8; ++j) {
      out[i + j] = Extract(p + j * Width / 8, j * Width % 8, Width);
    }
    p += Width;
  }
}

template <>
void Unpack<0>(const char*, size_t count, uint64_t* out) {
  std::fill(out, out + (count + 7) / 8 * 8, 0);
}

using Unpacker = void (*)(const char*, size_t, uint64_t*);

template <size_t... Widths>
constexpr std::array<Unpacker, sizeof...(Widths)> MakeUnpackers(
    std::index_sequence<Widths...>) {
  return {&Unpack<Widths>...};
}

constexpr auto kUnpackers = MakeUnpackers(std::make_index_sequence<65>());

}  // namespace

void PackBits(const uint64_t* values, size_t count, unsigned width,
              std::string* out) {
  if (width == 0) return;
  const size_t begin = out->size();
  const size_t bytes = PackedBytes(count, width);
  out->resize(begin + bytes + sizeof(uint64_t) * 2);
  char* p = out->data() + begin;
  unsigned __int128 pending = 0;
  unsigned bits = 0;
  for (size_t i = 0; i < count; ++i) {
    pending |= static_cast<unsigned __int128>(values[i]) << bits;
    bits += width;
    if (bits >= 64) {
      const auto word = static_cast<uint64_t>(pending);
      std::memcpy(p, &word, sizeof word);
      p += sizeof word;
      pending >>= 64;
      bits -= 64;
    }
  }
  const auto word = static_cast<uint64_t>(pending);
  std::memcpy(p, &word, sizeof word);
  out->resize(begin + bytes);
}

void UnpackBits(const char* packed, size_t count, unsigned width,
                uint64_t* out) {
  kUnpackers[width](packed, count, out);
}

uint64_t UnpackOne(const char* packed, size_t index, unsigned width) {
  if (width == 0) return 0;
  const uint64_t bit = static_cast<uint64_t>(index) * width;
  return Extract(packed + bit / 8, bit % 8, width);
}

}  // namespace khtrace::storage::columnar
