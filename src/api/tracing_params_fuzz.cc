// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "api/tracing_params.h"
#include "api/tracing_search.h"
#include "base/check.h"

namespace khtrace::api {
namespace {

constexpr std::string_view kKnown[] = {"window", "start", "end", "cursor",
                                       "limit",  "tag",   "ms",  "q"};
constexpr UnixNanos kNow{1'767'225'600'000'000'000};

void ReadAll(std::vector<TracingParams::Param> given) {
  TracingParams params(std::move(given), kKnown, kNow);
  const analysis::Window window = params.Window();
  KHTRACE_CHECK(params.bad() || window.start < window.end);
  const size_t limit = params.Count("limit", 5, 1, 9);
  KHTRACE_CHECK(limit >= 1 && limit <= 9);
  const auto millis = params.Millis("ms");
  KHTRACE_CHECK(!millis || millis->count() >= 0);
  (void)params.Offset();
  (void)params.Flag("limit");
  TraceFilter filter;
  filter.traceql = params.Text("q");
  for (const std::string_view tag : params.All("tag")) {
    filter.tags.emplace_back(tag, tag);
  }
  (void)ToTraceQl(filter);
}

}  // namespace
}  // namespace khtrace::api

// A query string, and the same bytes as a body.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using khtrace::api::TracingParams;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  khtrace::api::ReadAll(
      TracingParams::FromQuery(khtrace::net::QueryParams::Parse(text)));
  if (auto body = TracingParams::FromJson(text)) {
    khtrace::api::ReadAll(*std::move(body));
  }
  return 0;
}
