// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <utility>
#include <vector>

#include "app/client.h"
#include "app/commands.h"
#include "app/query_moment.h"
#include "app/query_table.h"
#include "app/terminal.h"
#include "app/traceql_query.h"
#include "base/clock.h"
#include "base/text.h"
#include "wire/json_writer.h"

namespace khtrace::app {
namespace {

constexpr int kMaxLimit = 1000;

struct QueryFlags {
  std::string traceql;
  std::string service;
  std::string operation;
  std::vector<std::string> tags;
  std::string min_duration;
  std::string max_duration;
  std::string since = "1h";
  std::string until;
  bool error = false;
  int limit = 20;
  std::string order;
  bool json = false;
  bool csv = false;
  bool table = false;
  ClientFlags client;
  std::string color = "auto";
};

Status CheckDuration(std::string_view flag, const std::string& text) {
  if (text.empty()) return {};
  const auto duration = ParseGoDuration(text);
  if (!duration || duration->count() < 0) {
    return BadFlag(flag, text, "expected a duration such as 250ms or 1.5s");
  }
  return {};
}

// query.attributes: {"key":"value",…}
Result<std::string> TagsJson(const QueryFlags& flags) {
  std::string json;
  wire::JsonWriter w(&json);
  w.BeginObject();
  for (const std::string& tag : flags.tags) {
    const size_t equals = tag.find('=');
    if (equals == std::string::npos || equals == 0) {
      return BadFlag("--tag", tag, "expected key=value");
    }
    w.EscapedKey(std::string_view(tag).substr(0, equals));
    w.String(std::string_view(tag).substr(equals + 1));
  }
  if (flags.error) {
    w.Key("error");
    w.String("true");
  }
  w.EndObject();
  return json;
}

Result<std::string> SearchTarget(const QueryFlags& flags, UnixNanos now) {
  RETURN_IF_ERROR(CheckDuration("--min-duration", flags.min_duration));
  RETURN_IF_ERROR(CheckDuration("--max-duration", flags.max_duration));
  ASSIGN_OR_RETURN(const QueryRange range,
                   ParseRange(flags.since, flags.until, now));
  ASSIGN_OR_RETURN(const std::string tags, TagsJson(flags));
  std::string target = "/api/v3/trace-summaries";
  char separator = '?';
  const auto add = [&](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    target += separator;
    separator = '&';
    target.append("query.").append(name).append("=").append(
        PercentEncode(value));
  };
  add("startTimeMin", FormatRfc3339(range.start));
  add("startTimeMax", FormatRfc3339(range.end));
  add("serviceName", flags.service);
  add("operationName", flags.operation);
  add("durationMin", flags.min_duration);
  add("durationMax", flags.max_duration);
  add("searchDepth", std::to_string(flags.limit));
  if (tags != "{}") add("attributes", tags);
  return target;
}

Result<TraceQlFlags> ToTraceQl(const QueryFlags& flags) {
  const bool conditions = !flags.service.empty() || !flags.operation.empty() ||
                          !flags.tags.empty() || !flags.min_duration.empty() ||
                          !flags.max_duration.empty() || flags.error;
  if (conditions) {
    return Error{Code::kInvalidArgument,
                 "a TraceQL query and conditions as flags do not mix: write "
                 "them into the query, as in { resource.service.name = "
                 "\"checkout\" && status = error && duration > 250ms }"};
  }
  TraceQlFlags traceql;
  traceql.query = flags.traceql;
  traceql.since = flags.since;
  traceql.until = flags.until;
  traceql.limit = flags.limit;
  traceql.order = flags.order;
  if (flags.json) traceql.format = TraceQlFlags::Format::kJson;
  if (flags.csv) traceql.format = TraceQlFlags::Format::kCsv;
  traceql.client = flags.client;
  traceql.color = flags.color;
  return traceql;
}

Status RunQuery(const QueryFlags& flags) {
  if (!flags.traceql.empty()) {
    ASSIGN_OR_RETURN(const TraceQlFlags traceql, ToTraceQl(flags));
    return RunTraceQl(traceql);
  }
  if (flags.csv || !flags.order.empty()) {
    return Error{Code::kInvalidArgument,
                 fmt::format("{}: only with a TraceQL query",
                             flags.csv ? "--csv" : "--order")};
  }
  ASSIGN_OR_RETURN(const std::string target,
                   SearchTarget(flags, Clock::System().Now()));
  ASSIGN_OR_RETURN(const Endpoint endpoint,
                   ChooseEndpoint(flags.client, kJaegerPort));
  net::HttpClient client = ConnectTo(endpoint);
  auto answer = client.Get(target, {{"Accept", "application/json"}});
  if (!answer) return Unreachable(endpoint, std::move(answer).error());
  if (answer->status != 200) {
    return Refused(endpoint, *answer);
  }
  if (flags.json) {
    fmt::print("{}\n", answer->body);
    return {};
  }
  ASSIGN_OR_RETURN(auto summaries, ParseSummaries(answer->body));
  if (summaries.empty()) {
    fmt::print(
        "no trace fits; a longer --since looks further back, "
        "`khtrace doctor` tells whether spans arrive\n");
    return {};
  }
  const bool full = summaries.size() >= static_cast<size_t>(flags.limit);
  const Terminal terminal = DetectTerminal(*ParseColorMode(flags.color));
  fmt::print("{}", RenderSummaries(std::move(summaries), terminal));
  if (full) {
    fmt::print("{}\n", Paint(terminal, Style::kDim,
                             fmt::format("the newest {}: --limit shows more",
                                         flags.limit)));
  }
  return {};
}

void AddFlags(CLI::App& command, QueryFlags& flags) {
  command.add_option("traceql", flags.traceql,
                     "A TraceQL query, of traces or of metrics; asks the "
                     "Tempo API (port 3200)");
  command.add_option("--service", flags.service, "Service that took part");
  command.add_option("--operation", flags.operation, "Span name");
  command
      .add_option("--tag", flags.tags,
                  "key=value of a span, its resource, events or links; "
                  "repeatable, all must fit")
      ->allow_extra_args(false);
  command.add_option("--min-duration", flags.min_duration,
                     "Shortest span duration, e.g. 250ms");
  command.add_option("--max-duration", flags.max_duration,
                     "Longest span duration, e.g. 2s");
  command.add_flag("--error", flags.error, "Spans with status error");
  command
      .add_option("--since", flags.since,
                  "How far back (15m), or from when (RFC 3339)")
      ->capture_default_str();
  command.add_option("--until", flags.until,
                     "Up to when, in the same forms (default: now)");
  command
      .add_option("--limit", flags.limit,
                  "Traces to list at most, or series to draw")
      ->check(CLI::Range(1, kMaxLimit))
      ->capture_default_str();
  command.add_option("--order", flags.order,
                     "Order of the traces of a TraceQL query: start, duration, "
                     "spanCount or errorCount, as in 'duration desc'");
  auto* json =
      command.add_flag("--json", flags.json, "Print the server's JSON answer");
  auto* csv = command.add_flag("--csv", flags.csv,
                               "Print a line for each span or sample");
  command
      .add_flag("--table", flags.table,
                "Print a table or a chart: what is printed without a format")
      ->excludes(json)
      ->excludes(csv);
  csv->excludes(json);
  AddClientFlags(command, "Jaeger API (TraceQL: the Tempo API, port 3200)",
                 kJaegerPort, &flags.client);
  command.add_option("--color", flags.color, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
}

}  // namespace

void AddQueryCommand(CLI::App& root, int* exit_code) {
  auto flags = std::make_shared<QueryFlags>();
  CLI::App* command = root.add_subcommand(
      "query", "Ask in TraceQL, or list traces by conditions on a span");
  AddFlags(*command, *flags);
  command->footer(
      "Examples:\n"
      "  khtrace query --since 15m\n"
      "  khtrace query '{ resource.service.name = \"checkout\" && status = "
      "error }'\n"
      "  khtrace query '{ } | rate() by (resource.service.name)' --since 6h\n"
      "  khtrace query '{ } | quantile_over_time(duration, .99)' --csv\n"
      "  khtrace query --service checkout --error\n"
      "  khtrace query --operation memory.search --min-duration 100ms\n"
      "  khtrace query --tag http.response.status_code=500 --limit 100");
  command->callback([flags, exit_code] {
    const Status done = RunQuery(*flags);
    *exit_code = done ? kExitOk : ReportError("query", done.error());
  });
}

}  // namespace khtrace::app
