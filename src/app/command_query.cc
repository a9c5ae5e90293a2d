// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <chrono>
#include <utility>
#include <vector>

#include "app/client.h"
#include "app/commands.h"
#include "app/flags.h"
#include "app/query_moment.h"
#include "app/query_table.h"
#include "app/terminal.h"
#include "app/traceql_query.h"
#include "base/clock.h"
#include "base/percent.h"
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

void AddFlags(Command& command, QueryFlags& flags) {
  command.Text("traceql", &flags.traceql,
               "A TraceQL query, of traces or of metrics; asks the "
               "Tempo API (port 3200)");
  command.Text("--service", &flags.service, "Service that took part");
  command.Text("--operation", &flags.operation, "Span name");
  command.Texts("--tag", &flags.tags,
                "key=value of a span, its resource, events or links; "
                "repeatable, all must fit");
  command.Text("--min-duration", &flags.min_duration,
               "Shortest span duration, e.g. 250ms");
  command.Text("--max-duration", &flags.max_duration,
               "Longest span duration, e.g. 2s");
  command.Switch("--error", &flags.error, "Spans with status error");
  AddSinceFlag(command, &flags.since);
  command.Text("--until", &flags.until,
               "Up to when, in the same forms (default: now)");
  AddLimitFlag(command, &flags.limit, kMaxLimit,
               "Traces to list at most, or series to draw");
  command.Text("--order", &flags.order,
               "Order of the traces of a TraceQL query: start, duration, "
               "spanCount or errorCount, as in 'duration desc'");
  Flag json = AddJsonFlag(command, &flags.json);
  Flag csv = command.Switch("--csv", &flags.csv,
                            "Print a line for each span or sample");
  command
      .Switch("--table", &flags.table,
              "Print a table or a chart: what is printed without a format")
      .Excludes(json)
      .Excludes(csv);
  csv.Excludes(json);
  AddClientFlags(command, "Jaeger API (TraceQL: the Tempo API, port 3200)",
                 kJaegerPort, &flags.client);
  AddColorFlag(command, &flags.color);
}

}  // namespace

void AddQueryCommand(Command root) {
  auto flags = std::make_shared<QueryFlags>();
  Command command = root.Add(
      "query", "Ask in TraceQL, or list traces by conditions on a span");
  AddFlags(command, *flags);
  command.Footer(
      "Examples:\n"
      "  khtrace query --since 15m\n"
      "  khtrace query '{ resource.service.name = \"checkout\" && status = "
      "error }'\n"
      "  khtrace query '{ } | rate() by (resource.service.name)' --since 6h\n"
      "  khtrace query '{ } | quantile_over_time(duration, .99)' --csv\n"
      "  khtrace query --service checkout --error\n"
      "  khtrace query --operation memory.search --min-duration 100ms\n"
      "  khtrace query --tag http.response.status_code=500 --limit 100");
  command.OnRun([flags] { return ExitCodeOf("query", RunQuery(*flags)); });
}

}  // namespace khtrace::app
