// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <utility>
#include <vector>

#include "app/client.h"
#include "app/commands.h"
#include "app/query_table.h"
#include "app/terminal.h"
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
  bool json = false;
  ClientFlags client;
  std::string color = "auto";
};

std::string PercentEncode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                       c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}",
                     static_cast<uint8_t>(c));
    }
  }
  return out;
}

Error BadFlag(std::string_view flag, std::string_view value,
              std::string_view why) {
  return {Code::kInvalidArgument, fmt::format("{} '{}': {}", flag, value, why)};
}

// A time as "15m" (ago) or RFC 3339.
Result<UnixNanos> ParseMoment(std::string_view flag, std::string_view text,
                              UnixNanos now) {
  if (const auto ago = ParseGoDuration(text)) {
    if (ago->count() < 0) return BadFlag(flag, text, "must not be negative");
    return now.Minus(*ago);
  }
  if (const auto time = ParseRfc3339(text)) return *time;
  return BadFlag(flag, text,
                 "expected a duration such as 15m or 1h30m, or a time such as "
                 "2026-01-31T08:00:00Z");
}

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
  ASSIGN_OR_RETURN(const UnixNanos start,
                   ParseMoment("--since", flags.since, now));
  UnixNanos end = now;
  if (!flags.until.empty()) {
    ASSIGN_OR_RETURN(end, ParseMoment("--until", flags.until, now));
  }
  if (end < start) {
    return BadFlag("--until", flags.until, "lies before --since");
  }
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
  add("startTimeMin", FormatRfc3339(start));
  add("startTimeMax", FormatRfc3339(end));
  add("serviceName", flags.service);
  add("operationName", flags.operation);
  add("durationMin", flags.min_duration);
  add("durationMax", flags.max_duration);
  add("searchDepth", std::to_string(flags.limit));
  if (tags != "{}") add("attributes", tags);
  return target;
}

Status RunQuery(const QueryFlags& flags) {
  if (!flags.traceql.empty()) {
    return Error{Code::kInvalidArgument,
                 fmt::format("cannot run '{}': TraceQL comes with a later "
                             "version; until then search with --service, "
                             "--operation, --tag, --min-duration, "
                             "--max-duration, --error, --since and --until",
                             flags.traceql)};
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
                     "A TraceQL query (comes with a later version)");
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
  command.add_option("--limit", flags.limit, "Traces to list at most")
      ->check(CLI::Range(1, kMaxLimit))
      ->capture_default_str();
  command.add_flag("--json", flags.json, "Print the server's JSON answer");
  AddClientFlags(command, "Jaeger API", kJaegerPort, &flags.client);
  command.add_option("--color", flags.color, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
}

}  // namespace

void AddQueryCommand(CLI::App& root, int* exit_code) {
  auto flags = std::make_shared<QueryFlags>();
  CLI::App* command = root.add_subcommand(
      "query", "List traces in which one span meets every condition");
  AddFlags(*command, *flags);
  command->footer(
      "Examples:\n"
      "  khtrace query --since 15m\n"
      "  khtrace query --service checkout --error\n"
      "  khtrace query --operation memory.search --min-duration 100ms\n"
      "  khtrace query --tag http.response.status_code=500 --limit 100");
  command->callback([flags, exit_code] {
    const Status done = RunQuery(*flags);
    *exit_code = done ? kExitOk : ReportError("query", done.error());
  });
}

}  // namespace khtrace::app
