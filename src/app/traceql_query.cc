// SPDX-License-Identifier: Apache-2.0
#include "app/traceql_query.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "app/query_moment.h"
#include "app/terminal.h"
#include "app/traceql_answer.h"
#include "app/traceql_chart.h"
#include "app/traceql_refusal.h"
#include "app/traceql_table.h"
#include "app/waiting_note.h"
#include "base/clock.h"
#include "base/percent.h"
#include "traceql/checker.h"
#include "traceql/order_by.h"
#include "traceql/parser.h"
#include "traceql/printer.h"

namespace khtrace::app {
namespace {

using Format = TraceQlFlags::Format;

constexpr uint64_t kNanosPerSecond = 1'000'000'000;
// Spans told of each spanset in the table: enough to recognise it.
constexpr int kTableSpans = 3;
// In CSV and JSON; as many as Tempo lets one ask for.
constexpr int kAllSpans = 100;
constexpr std::string_view kNextStep =
    "a longer --since looks further back, `khtrace doctor` tells whether "
    "spans arrive";

// A query that we cannot read is the server's to refuse: it may be newer.
bool IsMetrics(const std::string& query) {
  const auto parsed = traceql::ParseQuery(query);
  return parsed && parsed->is_metrics();
}

// The query with a hint for --order before its own. One that we cannot read is
// the server's to refuse.
Result<std::string> OrderedQuery(const TraceQlFlags& flags) {
  if (flags.order.empty()) return flags.query;
  const auto order = traceql::ParseOrderBy(flags.order);
  if (!order) return BadFlag("--order", flags.order, order.error().message);
  auto parsed = traceql::ParseQuery(flags.query);
  if (!parsed || !traceql::CheckQuery(*parsed)) return flags.query;
  traceql::Hint hint;
  hint.name = traceql::kOrderHint;
  hint.value.value = flags.order;
  parsed->hints.insert(parsed->hints.begin(), hint);
  return traceql::Print(*parsed);
}

std::string SearchTarget(const TraceQlFlags& flags, const QueryRange& range) {
  const uint64_t start = range.start.ns / kNanosPerSecond;
  // Whole seconds; the last one counts.
  const uint64_t end = std::max(range.end.ns / kNanosPerSecond, start + 1);
  return fmt::format("/api/search?q={}&start={}&end={}&limit={}&spss={}",
                     PercentEncode(flags.query), start, end, flags.limit,
                     flags.format == Format::kTable ? kTableSpans : kAllSpans);
}

std::string MetricsTarget(const TraceQlFlags& flags, const QueryRange& range,
                          const Terminal& terminal) {
  std::string target =
      fmt::format("/api/metrics/query_range?q={}&start={}&end={}",
                  PercentEncode(flags.query), range.start.ns, range.end.ns);
  if (flags.format == Format::kTable) {
    const uint64_t step =
        ChartStep(range.end.ns - range.start.ns, ChartCells(terminal));
    target += fmt::format("&exemplars=0&step={}s", step / kNanosPerSecond);
  }
  return target;
}

Result<std::string> Ask(const TraceQlFlags& flags, const std::string& target,
                        const Terminal& terminal) {
  ASSIGN_OR_RETURN(const Endpoint endpoint,
                   ChooseEndpoint(flags.client, kTempoPort));
  net::HttpClient client = ConnectTo(endpoint);
  auto answer = [&] {
    const WaitingNote note(endpoint.ToString());
    return client.Get(target, {{"Accept", "application/json"}});
  }();
  if (!answer) return Unreachable(endpoint, std::move(answer).error());
  if (answer->status == 400) {
    return Error{Code::kInvalidArgument,
                 RefusalText(answer->body, flags.query, terminal)};
  }
  if (answer->status != 200) return Refused(endpoint, *answer);
  if (const auto warning = answer->headers.Get("Warning"); !warning.empty()) {
    fmt::print(stderr, "khtrace query: {}\n", Printable({}, warning));
  }
  return std::move(answer->body);
}

void PrintDim(const Terminal& terminal, std::string_view text) {
  fmt::print("{}\n", Paint(terminal, Style::kDim, text));
}

Status PrintTraces(const TraceQlFlags& flags, std::string_view body,
                   const Terminal& terminal) {
  ASSIGN_OR_RETURN(const auto traces, ParseSearchAnswer(body));
  if (flags.format == Format::kCsv) {
    fmt::print("{}", TracesCsv(traces));
    return {};
  }
  if (traces.empty()) {
    fmt::print("no trace fits; {}\n", kNextStep);
    return {};
  }
  fmt::print("{}", RenderTraces(traces, terminal));
  if (traces.size() >= static_cast<size_t>(flags.limit)) {
    PrintDim(terminal, fmt::format("the {} {}: --limit shows more",
                                   flags.order.empty() ? "newest" : "first",
                                   flags.limit));
  }
  return {};
}

Status PrintSeries(const TraceQlFlags& flags, std::string_view body,
                   const Terminal& terminal) {
  ASSIGN_OR_RETURN(const MetricsAnswer answer, ParseMetricsAnswer(body));
  if (!answer.warning.empty()) {
    fmt::print(stderr, "khtrace query: {}\n",
               Printable(terminal, answer.warning));
  }
  if (flags.format == Format::kCsv) {
    fmt::print("{}", SeriesCsv(answer.series));
    return {};
  }
  if (answer.series.empty()) {
    fmt::print("no span fits, so there is no series; {}\n", kNextStep);
    return {};
  }
  fmt::print("{}", RenderCharts(answer.series, static_cast<size_t>(flags.limit),
                                terminal));
  return {};
}

}  // namespace

Status RunTraceQl(const TraceQlFlags& given) {
  TraceQlFlags flags = given;
  ASSIGN_OR_RETURN(flags.query, OrderedQuery(given));
  ASSIGN_OR_RETURN(const QueryRange range,
                   ParseRange(flags.since, flags.until, Clock::System().Now()));
  const Terminal terminal = DetectTerminal(*ParseColorMode(flags.color));
  const bool metrics = IsMetrics(flags.query);
  ASSIGN_OR_RETURN(const std::string body,
                   Ask(flags,
                       metrics ? MetricsTarget(flags, range, terminal)
                               : SearchTarget(flags, range),
                       terminal));
  if (flags.format == Format::kJson) {
    fmt::print("{}\n", body);
    return {};
  }
  return metrics ? PrintSeries(flags, body, terminal)
                 : PrintTraces(flags, body, terminal);
}

}  // namespace khtrace::app
