// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace khtrace::app {

// Export requests to replay, ready as OTLP protobuf bytes.
struct BenchCorpus {
  std::vector<std::string> requests;
  uint64_t spans = 0;
  uint64_t bytes = 0;
  std::string name;  // for the table's head
};

// A file of requests, each behind its length as u32 little endian. kDataLoss
// when it is cut short.
Result<BenchCorpus> LoadCorpus(const std::string& path);
// The demo's traffic, of the hour before `now`.
BenchCorpus MakeCorpus(uint64_t spans, uint32_t spans_per_request,
                       uint64_t seed);

}  // namespace khtrace::app
