// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "app/tracing_client.h"

// What some server answers to grade, top and bottlenecks.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace app = khtrace::app;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const app::Terminal terminal{.color = true, .width = 60};
  if (const auto page = app::ParseOperations(text)) {
    for (const app::JudgedOperation& one : page->operations) {
      (void)app::MillisText(terminal, one.p95_ms);
      (void)app::RateText(one.calls_per_min);
      (void)app::PercentText(terminal, one.error_rate);
      (void)app::GradeCell(terminal, one.grade);
    }
  }
  if (const auto page = app::ParseBottlenecks(text)) {
    for (const app::JudgedBottleneck& one : page->bottlenecks) {
      for (const app::Advice& advice : one.advice) {
        (void)app::Wrapped(terminal, advice.text, 4);
      }
    }
  }
  (void)app::Wrapped(terminal, text.substr(0, 1000), 4);
  return 0;
}
