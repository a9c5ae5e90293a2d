// SPDX-License-Identifier: Apache-2.0
#include "aggregate/latency_histogram.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

namespace khtrace::aggregate {
namespace {

__extension__ using Wide = unsigned __int128;

// ceil(2^(31 + k/35)): where bin k of an octave begins, in the upper 32 bits
// of a value shifted so that its top bit is set. Integers, so that a value
// falls into the same bin on every machine.
constexpr std::array<uint64_t, LatencyHistogram::kBinsPerOctave + 1> kBounds = {
    0x80000000, 0x828f69aa, 0x852bef4f, 0x87d5d40f, 0x8a8d5c63, 0x8d52ce21,
    0x90267085, 0x93088c36, 0x95f96b53, 0x98f95973, 0x9c08a3b2, 0x9f2798b5,
    0xa25688b5, 0xa595c586, 0xa8e5a29e, 0xac467520, 0xafb893e1, 0xb33c5773,
    0xb6d21a2f, 0xba7a383b, 0xbe350f95, 0xc203001e, 0xc5e46ba0, 0xc9d9b5d9,
    0xcde34489, 0xd2017f76, 0xd634d07b, 0xda7da391, 0xdedc66d7, 0xe3518aa5,
    0xe7dd818e, 0xec80c071, 0xf13bbe84, 0xf60ef55e, 0xfafae107, 0x100000000};

// The bin of the least value with these 8 bits behind the top one. A bin is
// wider than that many values, so the value is in it or in the next one.
constexpr std::array<uint8_t, 256> kGuess = [] {
  std::array<uint8_t, 256> guess{};
  for (uint64_t i = 0; i < 256; ++i) {
    const uint64_t least = (256 + i) << 23;
    uint8_t bin = 0;
    while (kBounds[bin + 1] <= least) ++bin;
    guess[i] = bin;
  }
  return guess;
}();

// ceil(bound · 2^octave / 2^31)
constexpr Wide BoundOf(uint32_t octave, uint32_t bin) {
  return ((static_cast<Wide>(kBounds[bin]) << octave) + 0x7fffffff) >> 31;
}

// The least value of each bin.
constexpr std::array<uint64_t, LatencyHistogram::kBins> kLeast = [] {
  std::array<uint64_t, LatencyHistogram::kBins> least{};
  for (uint32_t i = 1; i < LatencyHistogram::kBins; ++i) {
    least[i] = static_cast<uint64_t>(
        BoundOf((i - 1) / LatencyHistogram::kBinsPerOctave,
                (i - 1) % LatencyHistogram::kBinsPerOctave));
  }
  return least;
}();

}  // namespace

uint32_t LatencyHistogram::IndexOf(uint64_t value) {
  if (value == 0) return 0;
  const auto zeros = static_cast<uint32_t>(std::countl_zero(value));
  const uint64_t top = value << zeros >> 32;
  uint32_t bin = kGuess[(top >> 23) & 0xff];
  bin += top >= kBounds[bin + 1] ? 1 : 0;
  return 1 + (63 - zeros) * kBinsPerOctave + bin;
}

uint64_t LatencyHistogram::LeastOf(uint32_t index) { return kLeast[index]; }

double LatencyHistogram::ValueOf(uint32_t index) {
  if (index == 0) return 0;
  const auto low = static_cast<double>(LeastOf(index));
  const auto high = static_cast<double>(
      BoundOf((index - 1) / kBinsPerOctave, (index - 1) % kBinsPerOctave + 1) -
      1);
  // As far from the least as from the greatest, each taken as 1.
  return high <= low ? low : 2 * low * (high / (low + high));
}

void LatencyHistogram::Add(uint64_t value) {
  const Bin bin{IndexOf(value), 1};
  AddAll({&bin, 1}, false);
  sum_ += value;
}

void LatencyHistogram::AddBin(uint32_t index, uint64_t times) {
  const Bin bin{index, times};
  if (bins_.empty() || bins_.back().index < index) {
    bins_.push_back(bin);
  } else {
    AddAll({&bin, 1}, false);
  }
}

void LatencyHistogram::Merge(const LatencyHistogram& other) {
  AddAll(other.bins_, false);
  sum_ += other.sum_;
}

void LatencyHistogram::Subtract(const LatencyHistogram& other) {
  AddAll(other.bins_, true);
  sum_ -= other.sum_;
}

void LatencyHistogram::AddAll(std::span<const Bin> bins, bool subtract) {
  // Mostly the bins are there already: then nothing moves.
  size_t missing = 0;
  size_t at = 0;
  for (const Bin& bin : bins) {
    while (at < bins_.size() && bins_[at].index < bin.index) ++at;
    missing += at == bins_.size() || bins_[at].index != bin.index ? 1 : 0;
  }
  if (missing > 0) MakeRoom(bins, missing);
  at = 0;
  for (const Bin& bin : bins) {
    while (bins_[at].index < bin.index) ++at;
    bins_[at].count += subtract ? 0 - uint64_t{bin.count} : bin.count;
  }
}

// Adds empty bins for the `missing` ones of `bins`: from the back, each bin
// moves once.
void LatencyHistogram::MakeRoom(std::span<const Bin> bins, size_t missing) {
  size_t from = bins_.size();
  bins_.resize(bins_.size() + missing);
  size_t to = bins_.size();
  for (size_t next = bins.size(); next > 0 && to > from;) {
    const uint64_t index = bins[next - 1].index;
    if (from > 0 && bins_[from - 1].index >= index) {
      if (bins_[from - 1].index == index) --next;
      bins_[--to] = bins_[--from];
    } else {
      bins_[--to] = {index, 0};
      --next;
    }
  }
}

void LatencyHistogram::DropEmptyBins() {
  std::erase_if(bins_, [](const Bin& bin) { return bin.count == 0; });
}

uint64_t LatencyHistogram::count() const {
  uint64_t count = 0;
  for (const Bin& bin : bins_) count += bin.count;
  return count;
}

double LatencyHistogram::Quantile(double q) const {
  const uint64_t total = count();
  if (total == 0) return 0;
  const double wanted = std::ceil(q * static_cast<double>(total));
  const auto rank =
      wanted < 1 ? 1 : std::min(total, static_cast<uint64_t>(wanted));
  uint64_t seen = 0;
  for (const Bin& bin : bins_) {
    seen += bin.count;
    if (seen >= rank) return ValueOf(bin.index);
  }
  return ValueOf(bins_.back().index);
}

HistogramPool::Id HistogramPool::New() {
  sums_.push_back(0);
  histograms_.emplace_back();
  return static_cast<Id>(histograms_.size() - 1);
}

// Values of a histogram are brought together first (a counting sort by id),
// and then counted in one array that stays in the cache. Which of it is not
// zero is told by a bit for each bin: most histograms have few values, wide
// apart.
void HistogramPool::Settle() {
  std::vector<uint32_t> next(histograms_.size() + 1);
  for (const Value& value : values_) ++next[value.id + 1];
  for (size_t i = 1; i < next.size(); ++i) next[i] += next[i - 1];
  std::vector<uint16_t> sorted(values_.size());
  for (const Value& value : values_) {
    sorted[next[value.id]++] = static_cast<uint16_t>(value.index);
  }
  std::array<uint32_t, LatencyHistogram::kBins> counts{};
  std::array<uint64_t, LatencyHistogram::kBins / 64 + 1> used{};
  size_t begin = 0;
  for (size_t id = 0; id < histograms_.size(); ++id) {
    const size_t end = next[id];  // moved there by the loop above
    if (begin == end) continue;
    size_t bins = 0;
    for (size_t i = begin; i < end; ++i) {
      bins += counts[sorted[i]]++ == 0 ? 1 : 0;
      used[sorted[i] / 64] |= uint64_t{1} << (sorted[i] % 64);
    }
    LatencyHistogram settled;
    settled.Reserve(bins);
    for (uint32_t word = 0; bins > 0; ++word) {
      for (; used[word] != 0; used[word] &= used[word] - 1, --bins) {
        const auto bit = static_cast<uint32_t>(std::countr_zero(used[word]));
        const uint32_t index = word * 64 + bit;
        settled.AddBin(index, counts[index]);
        counts[index] = 0;
      }
    }
    if (histograms_[id].empty()) {
      histograms_[id] = std::move(settled);
    } else {
      histograms_[id].Merge(settled);
    }
    begin = end;
  }
  values_.clear();
}

std::vector<LatencyHistogram> HistogramPool::Take() {
  Settle();
  for (size_t id = 0; id < histograms_.size(); ++id) {
    histograms_[id].AddSum(sums_[id]);
  }
  sums_.clear();
  return std::exchange(histograms_, {});
}

}  // namespace khtrace::aggregate
