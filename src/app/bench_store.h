// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "app/bench_corpus.h"
#include "base/result.h"

namespace khtrace::app {

struct BenchStoreOptions {
  // Spans to store: the corpus as often as it takes, each time with other ids
  // and later times.
  uint64_t spans = 5'000'000;
  // Look-ups of each kind.
  uint32_t lookups = 2000;
  // Kept afterwards; empty: a temporary one, removed.
  std::string data_dir;
};

// Fills a trace store in this process, without a door before it, opens it
// again and asks it; prints a table. kFailedPrecondition if the directory is
// not empty.
Status BenchStore(const BenchCorpus& corpus, const BenchStoreOptions& options);

}  // namespace khtrace::app
