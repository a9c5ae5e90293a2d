// SPDX-License-Identifier: Apache-2.0
// Inflates arbitrary bytes. The first byte chooses the coding; our own two
// formats are tried with the size that the second and third byte say.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "wire/compression.h"

using khtrace::wire::Coding;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  constexpr size_t kLimitBytes = 1 << 16;
  const size_t raw_size = data[1] | data[2] << 8;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 3,
                               size - 3);
  if (data[0] == 4) {
    const auto raw = khtrace::wire::ZstdDecompress(bytes, raw_size);
    KHTRACE_CHECK(!raw || raw->size() == raw_size);
  } else if (data[0] == 5) {
    const auto raw = khtrace::wire::Lz4Decompress(bytes, raw_size);
    KHTRACE_CHECK(!raw || raw->size() == raw_size);
  } else {
    const auto raw = khtrace::wire::Decompress(static_cast<Coding>(data[0] % 4),
                                               bytes, kLimitBytes);
    KHTRACE_CHECK(!raw || raw->size() <= kLimitBytes);
  }
  return 0;
}
