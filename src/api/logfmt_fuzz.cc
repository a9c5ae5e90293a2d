// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/logfmt.h"
#include "api/tempo_search.h"
#include "base/check.h"
#include "base/text.h"
#include "traceql/parser.h"

// Tags: what can be read becomes a query that can be read.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using khtrace::api::LegacyToTraceQl;
  const std::string_view tags(reinterpret_cast<const char*>(data), size);
  const auto text = LegacyToTraceQl(tags, "1ms", "");
  if (!text || size > 1000 || !khtrace::IsValidUtf8(tags)) return 0;
  khtrace::traceql::Diagnostic why;
  const bool parsed =
      static_cast<bool>(khtrace::traceql::ParseQuery(*text, {}, &why));
  KHTRACE_CHECK(parsed ||
                why.kind == khtrace::traceql::Diagnostic::Kind::kLimit);
  return 0;
}
