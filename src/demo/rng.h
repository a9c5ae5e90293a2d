// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace khtrace::demo {

// A small generator of our own: the distributions of <random> differ between
// standard libraries, and the demo's traffic must not. SplitMix64 (Steele,
// Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014).
class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  // In [0, n); n > 0.
  uint64_t Below(uint64_t n) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((static_cast<Wide>(Next()) * n) >> 64);
  }
  // In [low, high].
  int64_t Between(int64_t low, int64_t high) {
    return low +
           static_cast<int64_t>(Below(static_cast<uint64_t>(high - low) + 1));
  }
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  bool Chance(double probability) { return Unit() < probability; }

  // About normal, within 3.5 standard deviations.
  double Normal();
  // Lognormal: `spread` is the standard deviation of the logarithm (0.3 is
  // steady, 1.0 is wild). One draw in 400 is an outlier, 10 to 40
  // times as long.
  std::chrono::nanoseconds Duration(std::chrono::nanoseconds median,
                                    double spread);
  // Lognormal counts: tokens, bytes.
  int64_t Count(double median, double spread);

 private:
  uint64_t state_;
};

}  // namespace khtrace::demo
