// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "storage/trace_frame.h"

// What each operator of a plan did while it ran: kept only where somebody asks
// (`explain --analyze`); otherwise operators see a null pointer, once a unit.

namespace khtrace::query {

struct OperatorCounts {
  uint64_t units = 0;  // in which it ran
  // In which zone maps, filters or dictionaries said that nothing fits.
  uint64_t pruned = 0;
  uint64_t rows_in = 0;
  uint64_t rows_out = 0;
  uint64_t nanos = 0;  // of all threads, with what is below it
};

// Of decoding a column.
struct ColumnCounts {
  uint64_t units = 0;
  uint64_t bytes = 0;  // read from storage
  uint64_t nanos = 0;
};

// Operators are known by the addresses of their plans. Confined to one thread;
// those of several threads are merged.
class Profile {
 public:
  OperatorCounts& Of(const void* plan) { return operators_[plan]; }
  ColumnCounts& OfColumn(size_t column) {
    if (columns_.size() <= column) columns_.resize(column + 1);
    return columns_[column];
  }
  // Zeros for what never ran.
  OperatorCounts Find(const void* plan) const;
  ColumnCounts FindColumn(size_t column) const;
  void Merge(const Profile& other);

 private:
  boost::unordered_flat_map<const void*, OperatorCounts> operators_;
  std::vector<ColumnCounts> columns_;
};

// Nanoseconds since it was made.
class Stopwatch {
 public:
  uint64_t Nanos() const {
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(
            std::chrono::steady_clock::now() - begin_)
            .count());
  }

 private:
  std::chrono::steady_clock::time_point begin_ =
      std::chrono::steady_clock::now();
};

// Of a whole query.
struct ExecutionProfile {
  Profile operators;
  storage::ScanSummary scan;
  size_t threads = 0;  // that took part
  uint64_t nanos = 0;
};

}  // namespace khtrace::query
