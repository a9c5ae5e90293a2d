// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

// Questions about up to kShortBytes bytes, answered without a branch on their
// number: keys and texts of spans are short, and of lengths that no branch
// predictor guesses. Each reads kShortBytes from every pointer, so so many
// must be readable; what lies behind `size` does not matter.

namespace khtrace::codec {

inline constexpr size_t kShortBytes = 32;

// What the functions below say where there is no SSE2, and what they are
// tested against.
namespace scalar {

inline bool SameShortBytes(const char* a, const char* b, size_t size) {
  return std::memcmp(a, b, size) == 0;
}

inline bool IsShortAscii(const char* p, size_t size) {
  uint8_t bits = 0;
  for (size_t i = 0; i < size; ++i) bits |= static_cast<uint8_t>(p[i]);
  return bits < 0x80;
}

}  // namespace scalar

#ifdef __SSE2__
namespace sse2 {

inline __m128i Load(const char* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}

// A bit for each of the first `size` <= kShortBytes bytes.
inline uint64_t FirstBits(size_t size) { return (uint64_t{1} << size) - 1; }

// The highest bit of each byte of both.
inline uint64_t HighBits(__m128i low, __m128i high) {
  return static_cast<uint32_t>(_mm_movemask_epi8(low)) |
         static_cast<uint64_t>(_mm_movemask_epi8(high)) << 16;
}

inline bool SameShortBytes(const char* a, const char* b, size_t size) {
  const uint64_t same = HighBits(_mm_cmpeq_epi8(Load(a), Load(b)),
                                 _mm_cmpeq_epi8(Load(a + 16), Load(b + 16)));
  return (~same & FirstBits(size)) == 0;
}

inline bool IsShortAscii(const char* p, size_t size) {
  return (HighBits(Load(p), Load(p + 16)) & FirstBits(size)) == 0;
}

}  // namespace sse2

using sse2::IsShortAscii;
using sse2::SameShortBytes;
#else
using scalar::IsShortAscii;
using scalar::SameShortBytes;
#endif

}  // namespace khtrace::codec
