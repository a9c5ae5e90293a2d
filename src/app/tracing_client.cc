// SPDX-License-Identifier: Apache-2.0
#include "app/tracing_client.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "app/json_fields.h"
#include "app/query_moment.h"
#include "app/text_format.h"
#include "base/clock.h"
#include "base/percent.h"
#include "base/text.h"

namespace khtrace::app {
namespace {

using simdjson::dom::element;

std::optional<double> MaybeFigure(const element& object, const char* key) {
  double figure = 0;
  if (object[key].get(figure) != simdjson::SUCCESS) return std::nullopt;
  return figure;
}

std::vector<element> ArrayOf(const element& object, const char* key) {
  simdjson::dom::array array;
  if (object[key].get(array) != simdjson::SUCCESS) return {};
  return {array.begin(), array.end()};
}

std::vector<std::string> TextsOf(const element& object, const char* key) {
  std::vector<std::string> texts;
  for (const element& one : ArrayOf(object, key)) {
    std::string_view text;
    if (one.get(text) == simdjson::SUCCESS) texts.emplace_back(text);
  }
  return texts;
}

JudgedOperation OperationOf(const element& object) {
  JudgedOperation operation;
  operation.operation = TextOf(object, "operation");
  operation.service = TextOf(object, "service");
  operation.category = TextOf(object, "category");
  operation.grade = TextOf(object, "grade");
  operation.no_grade_reason = TextOf(object, "no_grade_reason");
  operation.reason = TextOf(object, "reason");
  operation.count = NumberOf(object, "count");
  operation.calls_per_min = FigureOf(object, "calls_per_min");
  operation.error_rate = FigureOf(object, "error_rate");
  operation.p50_ms = FigureOf(object, "p50_ms");
  operation.p95_ms = FigureOf(object, "p95_ms");
  operation.p99_ms = FigureOf(object, "p99_ms");
  operation.target_ms = MaybeFigure(object, "target_ms");
  operation.confidence = MaybeFigure(object, "grade_confidence");
  operation.critical_path_share = FigureOf(object, "critical_path_share");
  operation.recoverable_ms_per_hour =
      FigureOf(object, "recoverable_ms_per_hour");
  element part;
  if (object["trend"].get(part) == simdjson::SUCCESS) {
    operation.trend = TextOf(part, "direction");
  }
  if (object["impact"].get(part) == simdjson::SUCCESS) {
    operation.impact = FigureOf(part, "score");
    operation.duration_factor = FigureOf(part, "duration");
    operation.frequency_factor = FigureOf(part, "frequency");
    operation.reliability_factor = FigureOf(part, "reliability");
  }
  operation.json = simdjson::minify(object);
  return operation;
}

Advice AdviceOf(const element& object) {
  Advice advice;
  advice.type = TextOf(object, "type");
  advice.text = TextOf(object, "text");
  advice.confidence = FigureOf(object, "confidence");
  advice.saving_ms = FigureOf(object, "saving_ms");
  element evidence;
  if (object["evidence"].get(evidence) == simdjson::SUCCESS) {
    advice.traces = TextsOf(evidence, "traces");
  }
  return advice;
}

Error NotThat(std::string_view what, std::string_view why) {
  return {Code::kDataLoss,
          fmt::format("cannot read the answer as {}: {}", what, why)};
}

// The array `key` of the answer; `*parser` holds it.
Result<element> RootWith(std::string_view json, const char* key,
                         simdjson::dom::parser* parser) {
  element root;
  const simdjson::padded_string padded(json);
  if (const auto error = parser->parse(padded).get(root)) {
    return NotThat(key, simdjson::error_message(error));
  }
  if (!root[key].is_array()) return NotThat(key, "it has none");
  return root;
}

// What a problem body says; "" for any other.
std::string ProblemDetail(std::string_view body) {
  simdjson::dom::parser parser;
  element root;
  const simdjson::padded_string padded(body);
  if (parser.parse(padded).get(root) != simdjson::SUCCESS) return "";
  return std::string(TextOf(root, "detail"));
}

}  // namespace

Result<std::string> AskTracing(const ClientFlags& flags,
                               std::string_view target) {
  ASSIGN_OR_RETURN(const Endpoint endpoint, ChooseEndpoint(flags, kJaegerPort));
  net::HttpClient client = ConnectTo(endpoint);
  auto answer = client.Get(target, {{"Accept", "application/json"}});
  if (!answer) return Unreachable(endpoint, std::move(answer).error());
  if (answer->status == 200) return std::move(answer->body);
  const std::string detail = ProblemDetail(answer->body);
  if (answer->status == 400 && !detail.empty()) {
    return Error{Code::kInvalidArgument, detail};
  }
  if (!detail.empty()) answer->body = detail;
  return Refused(endpoint, *answer);
}

Result<OperationPage> ParseOperations(std::string_view json) {
  simdjson::dom::parser parser;
  ASSIGN_OR_RETURN(const element root, RootWith(json, "operations", &parser));
  OperationPage page;
  for (const element& one : ArrayOf(root, "operations")) {
    page.operations.push_back(OperationOf(one));
  }
  page.total = NumberOf(root, "total");
  page.next_cursor = TextOf(root, "next_cursor");
  page.hint = TextOf(root, "hint");
  return page;
}

Result<BottleneckPage> ParseBottlenecks(std::string_view json) {
  simdjson::dom::parser parser;
  ASSIGN_OR_RETURN(const element root, RootWith(json, "bottlenecks", &parser));
  BottleneckPage page;
  for (const element& one : ArrayOf(root, "bottlenecks")) {
    JudgedBottleneck& bottleneck = page.bottlenecks.emplace_back();
    bottleneck.operation = OperationOf(one);
    bottleneck.slow_percent = FigureOf(one, "slow_percent");
    bottleneck.flags = TextsOf(one, "flags");
    for (const element& advice : ArrayOf(one, "recommendations")) {
      bottleneck.advice.push_back(AdviceOf(advice));
    }
  }
  page.total = NumberOf(root, "total");
  page.hint = TextOf(root, "hint");
  return page;
}

Result<std::string> RangeParams(std::string_view since) {
  const UnixNanos now = Clock::System().Now();
  ASSIGN_OR_RETURN(const QueryRange range, ParseRange(since, "", now));
  if (range.start == range.end) {
    return BadFlag("--since", since, "must be longer than nothing");
  }
  return fmt::format("&start={}&end={}",
                     PercentEncode(FormatRfc3339(range.start)),
                     PercentEncode(FormatRfc3339(range.end)));
}

std::string GradeCell(const Terminal& terminal, std::string_view grade) {
  if (grade.empty()) {
    return Paint(terminal, Style::kDim, terminal.utf8 ? "–" : "-");
  }
  const Style style = grade == "A" || grade == "B" ? Style::kGreen
                      : grade == "C"               ? Style::kYellow
                                                   : Style::kRed;
  return Paint(terminal, style, Printable(terminal, grade));
}

std::string MillisText(const Terminal& terminal, double ms) {
  const double nanos = std::clamp(ms * 1e6, 0.0, 9e18);
  return DurationText(terminal, static_cast<uint64_t>(std::llround(nanos)));
}

std::string PercentText(const Terminal& terminal, double share) {
  if (share == 0) return terminal.utf8 ? "–" : "-";
  const double percent = share * 100;
  return percent < 10 ? fmt::format("{:.1f} %", percent)
                      : fmt::format("{:.0f} %", percent);
}

std::string RateText(double per_min) {
  if (per_min >= 10) {
    return CountText(
        static_cast<uint64_t>(std::llround(std::min(per_min, 9e18))));
  }
  return fmt::format("{:.{}f}", per_min, per_min < 1 ? 2 : 1);
}

std::string Wrapped(const Terminal& terminal, std::string_view text,
                    size_t indent) {
  const size_t width = std::max<size_t>(terminal.width, indent + 20) - indent;
  const std::string all = Printable(terminal, text);
  std::string_view rest = all;
  std::string out;
  std::string line;
  const auto flush = [&] {
    if (!line.empty()) out += std::string(indent, ' ') + line + '\n';
    line.clear();
  };
  while (!rest.empty()) {
    const size_t blank = std::min(rest.find(' '), rest.size());
    const std::string_view word = rest.substr(0, blank);
    rest.remove_prefix(std::min(blank + 1, rest.size()));
    if (word.empty()) continue;
    const bool full =
        DisplayWidth(line) + 1 + DisplayWidth(word) > width && !line.empty();
    if (full) flush();
    if (!line.empty()) line += ' ';
    line += word;
  }
  flush();
  return out;
}

}  // namespace khtrace::app
