// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/path_study.h"
#include "analysis/retiming.h"
#include "analysis/trace_sample.h"

// The arithmetic of path studies. Pure; path_study.h tells what is meant.

namespace khtrace::analysis {

// What each trace of a sample waited for. Traces without a root's duration are
// left out. Immutable; borrows the sample.
class PathTable {
 public:
  struct Piece {
    uint32_t operation = 0;
    uint64_t nanos = 0;
  };
  struct Row {
    uint32_t trace = 0;  // place in the sample
    uint64_t duration = 0;
    uint32_t first = 0;  // of its pieces, each operation once
    uint32_t end = 0;
  };

  // kCancelled, kDeadlineExceeded as RequestContext::Check.
  static Result<PathTable> Make(const RequestContext& context,
                                const TraceSample& sample);

  const TraceSample& sample() const { return *sample_; }
  const std::vector<Row>& rows() const { return rows_; }  // fastest first
  std::span<const Piece> PiecesOf(const Row& row) const {
    return {pieces_.data() + row.first, row.end - row.first};
  }

 private:
  explicit PathTable(const TraceSample& sample) : sample_(&sample) {}

  const TraceSample* sample_;
  std::vector<Row> rows_;
  std::vector<Piece> pieces_;
};

// Nearest rank; 0 of none. `sorted`: ascending.
uint64_t PercentileOf(const std::vector<uint64_t>& sorted, uint32_t percent);

// Sums over some traces' paths, by operation.
class PathSums {
 public:
  void Add(const PathTable& table, const PathTable::Row& row);

  uint64_t traces() const { return durations_.size(); }
  PathSet Report(std::string name, size_t max_operations) const;
  // Borrows names of the samples that were added.
  static PathComparison Compare(const PathSums& a, std::string_view a_name,
                                const PathSums& b, std::string_view b_name,
                                size_t max_operations);

 private:
  using Name = std::pair<std::string_view, std::string_view>;
  struct Sums {
    uint64_t traces = 0;
    double nanos = 0;
    double squares = 0;
  };

  PathDifference Difference(const PathSums& b, const Sums& of_a,
                            const Sums& of_b) const;

  std::vector<uint64_t> durations_;
  Sums total_;
  std::map<Name, Sums> operations_;
};

// Of the operations that have most time on the paths.
Result<std::vector<PathWhatIf>> WhatIfFaster(const RequestContext& context,
                                             const PathTable& table,
                                             uint32_t percent,
                                             size_t max_operations);

}  // namespace khtrace::analysis
