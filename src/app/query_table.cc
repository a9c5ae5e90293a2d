// SPDX-License-Identifier: Apache-2.0
#include "app/query_table.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "app/json_fields.h"
#include "app/text_format.h"

namespace khtrace::app {
namespace {

using simdjson::dom::element;

constexpr size_t kStartWidth = 23;
constexpr size_t kDurationWidth = 9;
constexpr size_t kCountWidth = 6;
constexpr size_t kIdWidth = 32;

Error NotSummaries(std::string_view why) {
  return {Code::kDataLoss,
          fmt::format("cannot read the answer as trace summaries: {}", why)};
}

}  // namespace

Result<std::vector<query::TraceSummary>> ParseSummaries(std::string_view json) {
  simdjson::dom::parser parser;
  element root;
  const simdjson::padded_string padded(json);
  if (const auto error = parser.parse(padded).get(root)) {
    return NotSummaries(simdjson::error_message(error));
  }
  simdjson::dom::array items;
  if (root["summaries"].get(items) != simdjson::SUCCESS) {
    return NotSummaries("no \"summaries\"");
  }
  std::vector<query::TraceSummary> summaries;
  for (const element& item : items) {
    const auto id = model::TraceId::FromHex(TextOf(item, "traceId"));
    if (!id) return NotSummaries("a traceId is missing");
    query::TraceSummary& summary = summaries.emplace_back();
    summary.trace_id = *id;
    summary.root_service = TextOf(item, "rootServiceName");
    summary.root_name = TextOf(item, "rootOperationName");
    summary.start = {NumberOf(item, "minStartTimeUnixNano")};
    summary.end = {NumberOf(item, "maxEndTimeUnixNano")};
    summary.span_count = static_cast<uint32_t>(NumberOf(item, "spanCount"));
    summary.error_count =
        static_cast<uint32_t>(NumberOf(item, "errorSpanCount"));
  }
  return summaries;
}

std::string RenderSummaries(std::vector<query::TraceSummary> summaries,
                            const Terminal& terminal) {
  std::ranges::stable_sort(summaries, std::greater(),
                           [](const auto& s) { return s.start.ns; });
  // The id is never cut: it is there to be copied.
  const size_t fixed =
      kStartWidth + kDurationWidth + 2 * kCountWidth + kIdWidth + 5 * 2;
  const size_t root_width =
      terminal.width > fixed + 20 ? terminal.width - fixed : 20;
  std::string out =
      Paint(terminal, Style::kDim,
            fmt::format("{:<{}}  {:>{}}  {:>{}}  {:>{}}  {}  {}", "Start (UTC)",
                        kStartWidth, "Duration", kDurationWidth, "Spans",
                        kCountWidth, "Errors", kCountWidth,
                        FitLeft(terminal, "Root", root_width), "Trace id"));
  out += '\n';
  for (const query::TraceSummary& s : summaries) {
    const std::string root =
        Printable(terminal, s.root_service + ": " + s.root_name);
    const uint64_t duration = s.end.ns > s.start.ns ? s.end.ns - s.start.ns : 0;
    out += fmt::format(
        "{}  {}  {}  ", TimeText(s.start),
        FitRight(terminal, DurationText(terminal, duration), kDurationWidth),
        FitRight(terminal, CountText(s.span_count), kCountWidth));
    out += Paint(terminal, s.error_count > 0 ? Style::kRed : Style::kDim,
                 FitRight(terminal, CountText(s.error_count), kCountWidth));
    out += "  " +
           Paint(terminal, Style::kBold, FitLeft(terminal, root, root_width));
    out += "  " + s.trace_id.ToHex() + '\n';
  }
  return out;
}

}  // namespace khtrace::app
