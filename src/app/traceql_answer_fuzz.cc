// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "app/traceql_answer.h"
#include "app/traceql_chart.h"
#include "app/traceql_refusal.h"
#include "app/traceql_table.h"

namespace khtrace::app {
namespace {

void Draw(std::string_view text) {
  const Terminal terminal{.color = true, .width = 60};
  if (const auto traces = ParseSearchAnswer(text)) {
    (void)RenderTraces(*traces, terminal);
    (void)TracesCsv(*traces);
  }
  if (const auto answer = ParseMetricsAnswer(text)) {
    (void)RenderCharts(answer->series, 3, terminal);
    (void)SeriesCsv(answer->series);
  }
  (void)RefusalText(text, text, terminal);
}

}  // namespace
}  // namespace khtrace::app

// What some server answers, read and drawn.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  khtrace::app::Draw({reinterpret_cast<const char*>(data), size});
  return 0;
}
