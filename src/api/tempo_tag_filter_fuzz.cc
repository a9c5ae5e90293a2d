// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/tempo_tag_filter.h"
#include "base/check.h"
#include "traceql/checker.h"
#include "traceql/parser.h"
#include "traceql/printer.h"

// A query under someone's hands: a filter that comes of it is a valid one.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto filter = khtrace::api::ReadTagFilter(text);
  if (!filter || !*filter) return 0;
  const auto query = khtrace::traceql::ParseQuery(
      "{ " + khtrace::traceql::Print(**filter) + " }");
  KHTRACE_CHECK(query && khtrace::traceql::CheckQuery(*query));
  return 0;
}
