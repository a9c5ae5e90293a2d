// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace khtrace {

// XXH3, 64 bits: checksums of everything that we write to disk, and filters.
uint64_t Hash64(std::span<const std::byte> bytes, uint64_t seed = 0);
inline uint64_t Hash64(std::string_view text, uint64_t seed = 0) {
  return Hash64(std::as_bytes(std::span(text.data(), text.size())), seed);
}

// A bijective mixer (the finaliser of MurmurHash3) for integers that are
// already spread thin, such as ids.
inline uint64_t Mix64(uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdull;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ull;
  x ^= x >> 33;
  return x;
}

// For tables in memory, never on disk: texts of up to some 50 bytes in a few
// nanoseconds. Each step folds the 128-bit product of two mixed words.
inline uint64_t TableHash(std::string_view text) {
  constexpr uint64_t kA = 0x9e3779b97f4a7c15ull;
  constexpr uint64_t kB = 0xd6e8feb86659fd93ull;
  const auto load = [](const char* p) {
    uint64_t word;
    std::memcpy(&word, p, sizeof word);
    return word;
  };
  const auto fold = [](uint64_t a, uint64_t b) {
    __extension__ using Product = unsigned __int128;
    const Product product = static_cast<Product>(a) * b;
    return static_cast<uint64_t>(product) ^
           static_cast<uint64_t>(product >> 64);
  };
  const char* p = text.data();
  size_t left = text.size();
  uint64_t hash = left * kA;
  for (; left > 16; p += 16, left -= 16) {
    hash = fold(load(p) ^ kB ^ hash, load(p + 8) ^ kA);
  }
  uint64_t first = 0;
  uint64_t last = 0;
  if (left >= 8) {
    first = load(p);
    last = load(p + left - 8);
  } else if (left >= 4) {
    uint32_t head;
    uint32_t tail;
    std::memcpy(&head, p, sizeof head);
    std::memcpy(&tail, p + left - 4, sizeof tail);
    first = head;
    last = tail;
  } else if (left > 0) {
    first = static_cast<uint8_t>(p[0]) |
            static_cast<uint64_t>(static_cast<uint8_t>(p[left / 2])) << 8;
    last = static_cast<uint8_t>(p[left - 1]);
  }
  return fold(fold(first ^ kB ^ hash, last ^ kA), kB);
}

}  // namespace khtrace
