// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "app/client.h"
#include "app/commands.h"
#include "app/flags.h"
#include "app/json_fields.h"
#include "app/query_moment.h"
#include "app/terminal.h"
#include "app/traceql_refusal.h"
#include "app/tracing_client.h"
#include "base/clock.h"
#include "base/percent.h"

namespace khtrace::app {
namespace {

struct ExplainFlags {
  std::string query;
  std::string since = "1h";
  std::string start;
  std::string end;
  int limit = 20;
  bool analyze = false;
  bool json = false;
  ClientFlags client;
  std::string color = "auto";
};

Result<std::string> TargetOf(const ExplainFlags& flags, UnixNanos now) {
  const std::string& since = flags.start.empty() ? flags.since : flags.start;
  ASSIGN_OR_RETURN(const QueryRange range, ParseRange(since, flags.end, now));
  return fmt::format(
      "/api/tracing/traceql/explain?q={}&start={}&end={}&limit={}{}",
      PercentEncode(flags.query), range.start.ns, range.end.ns, flags.limit,
      flags.analyze ? "&analyze=1" : "");
}

// The answer's "text", line by line: it has what the query has.
Status PrintText(const std::string& body, const Terminal& terminal) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(body).get(root) != simdjson::SUCCESS) {
    return Error{Code::kDataLoss, "cannot read the answer: it is no JSON"};
  }
  std::string_view text = TextOf(root, "text");
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    fmt::print("{}\n", Printable(terminal, text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

// The query's name in the request is no name of ours.
Error Refusal(Error error, const std::string& query, const Terminal& terminal) {
  constexpr std::string_view kParameter = "q: ";
  if (error.code != Code::kInvalidArgument) return error;
  std::string_view message = error.message;
  if (message.starts_with(kParameter)) message.remove_prefix(kParameter.size());
  return {error.code, RefusalText(message, query, terminal)};
}

Status RunExplain(const ExplainFlags& flags) {
  ASSIGN_OR_RETURN(const std::string target,
                   TargetOf(flags, Clock::System().Now()));
  const Terminal terminal = DetectTerminal(*ParseColorMode(flags.color));
  auto body = AskTracing(flags.client, target);
  if (!body) return Refusal(std::move(body).error(), flags.query, terminal);
  if (flags.json) {
    fmt::print("{}\n", *body);
    return {};
  }
  return PrintText(*body, terminal);
}

}  // namespace

void AddExplainCommand(Command root) {
  auto flags = std::make_shared<ExplainFlags>();
  Command command =
      root.Add("explain", "Tell how a TraceQL query runs, and what it costs");
  command.Text("traceql", &flags->query, "The query").Required();
  command.Switch("--analyze", &flags->analyze,
                 "Run it, and tell what each operator did");
  AddSinceFlag(command, &flags->since);
  command.Text("--start", &flags->start,
               "From when, in the same forms; instead of --since");
  command.Text("--end", &flags->end,
               "Up to when, in the same forms (default: now)");
  AddLimitFlag(command, &flags->limit, 10'000, "Traces that it is to find");
  AddJsonFlag(command, &flags->json);
  AddClientFlags(command, "query API", kJaegerPort, &flags->client);
  AddColorFlag(command, &flags->color);
  command.Footer(
      "Examples:\n"
      "  khtrace explain '{ resource.service.name = \"api\" && status = error "
      "}'\n"
      "  khtrace explain '{ } | rate() by (name)' --analyze --since 15m");
  command.OnRun([flags] { return ExitCodeOf("explain", RunExplain(*flags)); });
}

}  // namespace khtrace::app
