// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/encoding_bits.h"

#include <algorithm>
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

// The way back: eight values become Width bytes.
template <unsigned Width>
void Pack(const uint64_t* values, size_t count, uint64_t base, char* p) {
  if constexpr (Width == 64) {
    for (size_t i = 0; i < count; ++i) {
      const uint64_t value = values[i] - base;
      std::memcpy(p + i * 8, &value, 8);
    }
  } else if constexpr (Width > 0) {
    for (size_t i = 0; i < count; i += 8) {
      std::array<uint64_t, (Width + 7) / 8 + 1> words{};
#pragma GCC unroll 8
      for (unsigned j = 0; j < 8; ++j) {
        const uint64_t value = values[i + j] - base;
        const unsigned bit = j * Width;
        words[bit / 64] |= value << (bit % 64);
        if (bit % 64 + Width > 64) {
          words[bit / 64 + 1] |= value >> (64 - bit % 64);
        }
      }
      std::memcpy(p, words.data(), Width);
      p += Width;
    }
  }
}

using Unpacker = void (*)(const char*, size_t, uint64_t*);
using Packer = void (*)(const uint64_t*, size_t, uint64_t, char*);

template <size_t... Widths>
constexpr std::array<Unpacker, sizeof...(Widths)> MakeUnpackers(
    std::index_sequence<Widths...>) {
  return {&Unpack<Widths>...};
}
template <size_t... Widths>
constexpr std::array<Packer, sizeof...(Widths)> MakePackers(
    std::index_sequence<Widths...>) {
  return {&Pack<Widths>...};
}

constexpr auto kPackers = MakePackers(std::make_index_sequence<65>());
constexpr auto kUnpackers = MakeUnpackers(std::make_index_sequence<65>());

}  // namespace

void PackBits(const uint64_t* values, size_t count, uint64_t base,
              unsigned width, std::string* out) {
  if (width == 0) return;
  const size_t begin = out->size();
  out->resize(begin + PackedBytes(count, width));
  char* const p = out->data() + begin;
  const size_t whole = count / 8 * 8;
  kPackers[width](values, whole, base, p);
  if (whole == count) return;
  std::array<uint64_t, 8> rest;
  rest.fill(base);
  std::copy(values + whole, values + count, rest.begin());
  kPackers[width](rest.data(), 8, base, p + PackedBytes(whole, width));
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
