// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace khtrace::app {

struct BenchAnalysisOptions {
  std::string data_dir;        // of a store that nobody has open
  std::string window = "24h";  // back from the newest span
  uint32_t runs = 10;          // of each question, after the first
};

// Asks for what the pages of /api/tracing show, in this process over a store
// that `bench store --data-dir` has filled, and prints a table: the first
// answer, later ones when what the analysis keeps is too old, and those that
// it has kept.
Status BenchAnalysis(const BenchAnalysisOptions& options);

}  // namespace khtrace::app
