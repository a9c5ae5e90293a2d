// SPDX-License-Identifier: Apache-2.0
// Any bytes as the body of a request about alerts.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/tracing_alerts_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const khtrace::UnixNanos now{1'767'225'600'000'000'000};
  (void)khtrace::api::ParseSilence(body, now);
  (void)khtrace::api::ParseAcknowledgement(body);
  (void)khtrace::api::ParseReplay(body, {}, now);
  return 0;
}
