// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/span_batch.h"
#include "query/metrics.h"
#include "query/search.h"
#include "traceql/ast.h"

// For tests and fuzzers only: small stores and queries about what is in them,
// made of bytes, so that a fuzzer's changes are small changes of either; and
// the differences between two answers.

namespace khtrace::query::reference {

// Choices out of bytes; the first of each once there are no more.
class ByteSource {
 public:
  explicit ByteSource(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool exhausted() const { return bytes_.empty(); }
  // In [0, bound); `bound` in 1 … 256.
  uint32_t Below(uint32_t bound);
  bool OneIn(uint32_t n) { return Below(n) == n - 1; }
  template <typename T, size_t n>
  const T& Of(const T (&choices)[n]) {
    return choices[Below(n)];
  }

 private:
  std::span<const uint8_t> bytes_;
};

// Up to six traces of up to eight spans, each whole and in order of (start,
// span id, kind): several roots or none, missing parents, cycles, ids twice,
// the same key with values of several types, arrays, events, links. All starts
// lie within a minute of kRandomStoreStart, many on full seconds.
std::vector<model::SpanBatchPtr> RandomStore(ByteSource& bytes);
inline constexpr UnixNanos kRandomStoreStart{1'700'000'000'000'000'000};

// What a parser and the checker accept, over the same names and values.
traceql::Query RandomSearchQuery(ByteSource& bytes);
traceql::Query RandomMetricsQuery(ByteSource& bytes);
// Limits and windows about the store; `query` is left to the caller.
SearchRequest RandomSearchRequest(ByteSource& bytes);
MetricsRequest RandomMetricsRequest(ByteSource& bytes);

// "" if they are the same but for costs (stats).
std::string Difference(const SearchResult& expected,
                       const SearchResult& actual);
// Likewise; samples may differ by rounding, exemplars freely, as long as each
// belongs to its series and no interval has more than two.
std::string Difference(const MetricsResult& expected,
                       const MetricsResult& actual);

}  // namespace khtrace::query::reference
