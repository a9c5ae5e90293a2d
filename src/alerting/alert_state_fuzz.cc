// SPDX-License-Identifier: Apache-2.0
// Any bytes as the file of alert states: read or refused, never a crash. What
// is read is written and read again as the same. The checksum would keep the
// fuzzer out, so it is put right first.
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "alerting/engine_state.h"
#include "base/check.h"
#include "base/hash.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)khtrace::alerting::ParseState(bytes);
  const std::string file = fmt::format("khtrace-alert-state 1 {:016x}\n{}",
                                       khtrace::Hash64(bytes), bytes);
  const auto state = khtrace::alerting::ParseState(file);
  if (!state) return 0;
  const std::string again = khtrace::alerting::FormatState(*state);
  const auto twice = khtrace::alerting::ParseState(again);
  KHTRACE_CHECK(twice.has_value());
  KHTRACE_CHECK(khtrace::alerting::FormatState(*twice) == again);
  return 0;
}
