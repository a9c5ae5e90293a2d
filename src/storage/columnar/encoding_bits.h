// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

// Bit packing, least significant bit first: value i occupies bits
// [i * width, (i + 1) * width) of the bytes.

namespace khtrace::storage::columnar {

// An unpacker may read this many bytes behind the packed ones: every page
// with packed values ends with as many zeros.
inline constexpr size_t kPackedSlack = 8;

inline size_t PackedBytes(size_t count, unsigned width) {
  return (count + 7) / 8 * width;
}
inline uint64_t WidthMask(unsigned width) {
  return width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
}

// Appends PackedBytes(count, width) bytes: each value minus `base`, which
// needs at most `width` bits.
void PackBits(const uint64_t* values, size_t count, uint64_t base,
              unsigned width, std::string* out);
inline void PackBits(const uint64_t* values, size_t count, unsigned width,
                     std::string* out) {
  PackBits(values, count, 0, width, out);
}
// Writes `count` rounded up to 8 values to `out`. Reads PackedBytes(count,
// width) + kPackedSlack bytes at most. width <= 64.
void UnpackBits(const char* packed, size_t count, unsigned width,
                uint64_t* out);
// Value `index`. The same slack.
uint64_t UnpackOne(const char* packed, size_t index, unsigned width);

}  // namespace khtrace::storage::columnar
