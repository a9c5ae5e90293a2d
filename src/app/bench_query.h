// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace khtrace::app {

struct BenchQueryOptions {
  std::string data_dir;  // of a store that nobody has open
  // File of queries, one a line as "LIMIT QUERY": LIMIT is how many traces are
  // asked for, or "step" for a metrics query. Empty: those that go with the
  // demo traffic.
  std::string queries;
  uint32_t runs = 10;  // of each query, after the first
};

// Runs TraceQL queries in this process over a store that `bench store
// --data-dir` has filled, and prints a table: the first run, median and 95th
// percentile of the others, what was read, and what was found.
Status BenchQuery(const BenchQueryOptions& options);

}  // namespace khtrace::app
