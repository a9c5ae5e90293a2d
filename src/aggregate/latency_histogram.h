// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

// How often durations occurred, in bins that are 2 % wide.

namespace khtrace::aggregate {

// A histogram that can be merged without loss: of two histograms of two sets
// of values, merged, exactly the histogram of all of them comes out. Counts
// and sum are exact, quantiles are within 1 % of a value that has the rank.
//
// There is no least and greatest value beside the bins: everything here can be
// subtracted again, which is what traces split over parts need
// (docs/adr/0011-partial-aggregates.md). Confined to one thread.
class LatencyHistogram {
 public:
  // Bin 0 holds the value 0; each power of two has kBinsPerOctave bins, whose
  // bounds grow by 2^(1/35): (2^(1/35) - 1) / (2^(1/35) + 1) < 1 %.
  // On disk: docs/format/partial.md.
  static constexpr uint32_t kBinsPerOctave = 35;
  static constexpr uint32_t kBins = 1 + 64 * kBinsPerOctave;

  struct Bin {
    uint64_t index : 12;
    uint64_t count : 52;  // modulo 2^52
    bool operator==(const Bin& other) const = default;
  };

  static uint32_t IndexOf(uint64_t value);
  // The least value of bin `index`, and what all of its values are taken for.
  static uint64_t LeastOf(uint32_t index);
  static double ValueOf(uint32_t index);

  void Add(uint64_t value);
  // `times` values of bin `index`; their sum is told by AddSum.
  void AddBin(uint32_t index, uint64_t times);
  void AddSum(uint64_t sum) { sum_ += sum; }
  // Room for so many bins.
  void Reserve(size_t bins) { bins_.reserve(bins); }
  void Merge(const LatencyHistogram& other);
  // Takes away what was merged. Never more than is there, in the end: on the
  // way counts may be negative.
  void Subtract(const LatencyHistogram& other);
  // Leaves out bins that subtracting has emptied.
  void DropEmptyBins();

  uint64_t count() const;
  uint64_t sum() const { return sum_; }  // modulo 2^64
  bool empty() const { return bins_.empty() && sum_ == 0; }
  // The value of rank ceil(q · count), 0 <= q <= 1; 0 without values.
  double Quantile(double q) const;
  // Ascending by index.
  std::span<const Bin> bins() const { return bins_; }

  bool operator==(const LatencyHistogram&) const = default;

 private:
  void AddAll(std::span<const Bin> bins, bool subtract);
  void MakeRoom(std::span<const Bin> bins, size_t missing);

  std::vector<Bin> bins_;
  uint64_t sum_ = 0;
};

// Many histograms that are filled value by value in any order: two writes for
// each value. Confined to one thread.
class HistogramPool {
 public:
  using Id = uint32_t;
  Id New();
  void Add(Id id, uint64_t value) {
    values_.push_back({id, LatencyHistogram::IndexOf(value)});
    sums_[id] += value;
    if (values_.size() >= kPending) Settle();
  }
  // By id. The pool is empty afterwards.
  std::vector<LatencyHistogram> Take();

 private:
  // Values kept before they are sorted into bins, 8 bytes each. Larger: less
  // merging in parts of many spans.
  static constexpr size_t kPending = 1 << 20;

  struct Value {
    Id id;
    uint32_t index;
  };
  void Settle();

  std::vector<Value> values_;
  std::vector<uint64_t> sums_;  // by id
  std::vector<LatencyHistogram> histograms_;
};

}  // namespace khtrace::aggregate
