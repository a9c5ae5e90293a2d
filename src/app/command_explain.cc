// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <simdjson.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "app/client.h"
#include "app/commands.h"
#include "app/json_fields.h"
#include "app/query_moment.h"
#include "app/terminal.h"
#include "app/traceql_refusal.h"
#include "base/clock.h"

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

Status RunExplain(const ExplainFlags& flags) {
  ASSIGN_OR_RETURN(const std::string target,
                   TargetOf(flags, Clock::System().Now()));
  ASSIGN_OR_RETURN(const Endpoint endpoint,
                   ChooseEndpoint(flags.client, kJaegerPort));
  const Terminal terminal = DetectTerminal(*ParseColorMode(flags.color));
  net::HttpClient client = ConnectTo(endpoint);
  auto answer = client.Get(target, {{"Accept", "application/json"}});
  if (!answer) return Unreachable(endpoint, std::move(answer).error());
  if (answer->status == 400) {
    return Error{Code::kInvalidArgument,
                 RefusalText(answer->body, flags.query, terminal)};
  }
  if (answer->status != 200) return Refused(endpoint, *answer);
  if (flags.json) {
    fmt::print("{}\n", answer->body);
    return {};
  }
  return PrintText(answer->body, terminal);
}

}  // namespace

void AddExplainCommand(CLI::App& root, int* exit_code) {
  auto flags = std::make_shared<ExplainFlags>();
  CLI::App* command = root.add_subcommand(
      "explain", "Tell how a TraceQL query runs, and what it costs");
  command->add_option("traceql", flags->query, "The query")->required();
  command->add_flag("--analyze", flags->analyze,
                    "Run it, and tell what each operator did");
  command
      ->add_option("--since", flags->since,
                   "How far back (15m), or from when (RFC 3339)")
      ->capture_default_str();
  command->add_option("--start", flags->start,
                      "From when, in the same forms; instead of --since");
  command->add_option("--end", flags->end,
                      "Up to when, in the same forms (default: now)");
  command->add_option("--limit", flags->limit, "Traces that it is to find")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print the server's JSON answer");
  AddClientFlags(*command, "query API", kJaegerPort, &flags->client);
  command->add_option("--color", flags->color, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  command->footer(
      "Examples:\n"
      "  khtrace explain '{ resource.service.name = \"api\" && status = error "
      "}'\n"
      "  khtrace explain '{ } | rate() by (name)' --analyze --since 15m");
  command->callback([flags, exit_code] {
    const Status explained = RunExplain(*flags);
    *exit_code =
        explained ? kExitOk : ReportError("explain", explained.error());
  });
}

}  // namespace khtrace::app
