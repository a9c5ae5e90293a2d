// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/tempo_metrics.h"
#include "api/tempo_search.h"
#include "base/check.h"
#include "base/text.h"

namespace khtrace::api {
namespace {

constexpr UnixNanos kNow{1'767'225'600'000'000'000};

void Read(const net::QueryParams& params) {
  if (const auto search = ReadTempoSearch(params, kNow)) {
    KHTRACE_CHECK(search->start < search->end && search->limit > 0);
  }
  if (const auto metrics = ReadTempoMetrics(params, kNow)) {
    KHTRACE_CHECK(metrics->start < metrics->end && metrics->max_series > 0);
  }
}

}  // namespace
}  // namespace khtrace::api

// A query string, read as the parameters of a search and of a metrics query.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view query(reinterpret_cast<const char*>(data), size);
  khtrace::api::Read(khtrace::net::QueryParams::Parse(query));
  return 0;
}
