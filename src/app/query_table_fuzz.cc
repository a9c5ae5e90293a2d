// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "app/query_table.h"
#include "base/check.h"

// Whatever a server answers becomes a table or an error, never control
// characters on the user's terminal.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto summaries = khtrace::app::ParseSummaries(text);
  if (!summaries) return 0;
  const std::string table =
      khtrace::app::RenderSummaries(*std::move(summaries), {false, true, 100});
  KHTRACE_CHECK(table.find('\x1b') == std::string::npos);
  return 0;
}
