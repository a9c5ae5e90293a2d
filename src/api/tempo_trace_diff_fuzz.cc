// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/tempo_trace_diff.h"
#include "api/tempo_trace_filter.h"
#include "base/check.h"

namespace khtrace::api {
namespace {

void Read(std::string_view text) {
  if (const auto request = ReadTraceDiffRequest(text)) {
    for (const auto* side : {&request->base, &request->compare}) {
      KHTRACE_CHECK(side->when.start <= side->when.end);
    }
  }
  static_cast<void>(ReadTraceFilter(net::QueryParams::Parse(text)));
}

}  // namespace
}  // namespace khtrace::api

// The body of a trace diff's request; the same bytes as the query string of a
// trace by id.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  khtrace::api::Read({reinterpret_cast<const char*>(data), size});
  return 0;
}
