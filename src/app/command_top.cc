// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>

#include "app/commands.h"
#include "app/flags.h"
#include "app/query_moment.h"
#include "app/terminal.h"
#include "app/text_format.h"
#include "app/tracing_client.h"
#include "base/clock.h"
#include "base/percent.h"
#include "base/text.h"

namespace khtrace::app {
namespace {

constexpr size_t kFigureWidth = 9;
constexpr size_t kServiceWidth = 20;

struct TopFlags {
  std::string since = "15m";
  std::string service;
  std::string sort = "rate";
  std::string interval = "2s";
  int limit = 20;
  bool once = false;
  ClientFlags client;
  std::string color = "auto";
};

std::string_view SortParam(std::string_view sort) {
  if (sort == "rate") return "count";
  if (sort == "errors") return "error_rate";
  return sort;
}

Result<std::string> Target(const TopFlags& flags) {
  ASSIGN_OR_RETURN(const std::string range, RangeParams(flags.since));
  std::string target = fmt::format("/api/tracing/operations?limit={}&sort={}{}",
                                   flags.limit, SortParam(flags.sort), range);
  if (!flags.service.empty()) {
    target += "&service=" + PercentEncode(flags.service);
  }
  return target;
}

std::string TrendText(const Terminal& terminal, std::string_view trend) {
  if (trend == "slower") {
    return Paint(terminal, Style::kRed, terminal.utf8 ? "▲ slower" : "slower");
  }
  if (trend == "faster") {
    return Paint(terminal, Style::kGreen,
                 terminal.utf8 ? "▼ faster" : "faster");
  }
  if (trend == "new") return Paint(terminal, Style::kYellow, "new");
  return "";
}

std::string Line(const Terminal& terminal, const JudgedOperation& operation,
                 size_t name_width) {
  const auto figure = [&terminal](const std::string& text) {
    return FitRight(terminal, text, kFigureWidth);
  };
  std::string line = fmt::format(
      "{}  {}  {}  {}  {}  {}  {}      {}",
      Paint(terminal, Style::kBold,
            FitLeft(terminal, Printable(terminal, operation.operation),
                    name_width)),
      FitLeft(terminal, Printable(terminal, operation.service), kServiceWidth),
      figure(RateText(operation.calls_per_min)),
      figure(MillisText(terminal, operation.p50_ms)),
      figure(MillisText(terminal, operation.p95_ms)),
      Paint(terminal, operation.error_rate > 0 ? Style::kRed : Style::kDim,
            figure(PercentText(terminal, operation.error_rate))),
      GradeCell(terminal, operation.grade),
      TrendText(terminal, operation.trend));
  line.erase(line.find_last_not_of(' ') + 1);
  return line + '\n';
}

std::string Render(const Terminal& terminal, const TopFlags& flags,
                   const OperationPage& page, UnixNanos now) {
  const size_t fixed = kServiceWidth + 4 * kFigureWidth + 5 + 8 + 7 * 2;
  const size_t name_width =
      std::max<size_t>(terminal.width > fixed ? terminal.width - fixed : 0, 16);
  std::string out =
      Paint(terminal, Style::kDim,
            fmt::format("{} UTC, the last {}, {} of {} operations, by {}",
                        TimeText(now).substr(0, 19), flags.since,
                        page.operations.size(), page.total, flags.sort));
  out += "\n";
  if (page.operations.empty()) return out + page.hint + '\n';
  out +=
      Paint(terminal, Style::kDim,
            fmt::format("{}  {}  {:>{}}  {:>{}}  {:>{}}  {:>{}}  Grade  Trend",
                        FitLeft(terminal, "Operation", name_width),
                        FitLeft(terminal, "Service", kServiceWidth),
                        "Calls/min", kFigureWidth, "p50", kFigureWidth, "p95",
                        kFigureWidth, "Errors", kFigureWidth));
  out += '\n';
  for (const JudgedOperation& operation : page.operations) {
    out += Line(terminal, operation, name_width);
  }
  return out;
}

Result<std::string> Ask(const TopFlags& flags) {
  ASSIGN_OR_RETURN(const std::string target, Target(flags));
  ASSIGN_OR_RETURN(const std::string body, AskTracing(flags.client, target));
  ASSIGN_OR_RETURN(const OperationPage page, ParseOperations(body));
  const Terminal terminal = DetectTerminal(*ParseColorMode(flags.color));
  return Render(terminal, flags, page, Clock::System().Now());
}

// Until it is interrupted. A server that restarts is waited for: the view is
// there to be looked at meanwhile.
Status Watch(const TopFlags& flags, std::chrono::nanoseconds interval) {
  ASSIGN_OR_RETURN(std::string view, Ask(flags));
  for (;;) {
    // From the top left corner; what was scrolled away stays.
    fmt::print("\x1b[H\x1b[J{}", view);
    std::fflush(stdout);
    std::this_thread::sleep_for(interval);
    auto next = Ask(flags);
    if (next) {
      view = *std::move(next);
    } else if (next.error().code == Code::kUnavailable) {
      view += next.error().message + '\n';
    } else {
      return std::move(next).error();
    }
  }
}

Status RunTop(const TopFlags& flags) {
  const auto interval = ParseGoDuration(flags.interval);
  if (!interval || *interval < std::chrono::milliseconds(100)) {
    return BadFlag("--interval", flags.interval,
                   "expected a duration from 100ms on, such as 2s");
  }
  if (!flags.once && isatty(STDOUT_FILENO) == 1) {
    return Watch(flags, *interval);
  }
  ASSIGN_OR_RETURN(const std::string view, Ask(flags));
  fmt::print("{}", view);
  return {};
}

}  // namespace

void AddTopCommand(Command root) {
  auto flags = std::make_shared<TopFlags>();
  Command command =
      root.Add("top", "Watch the operations: rate, p95, errors, grade");
  command.Text("--since", &flags->since, "What the figures are of: 15m, 1h")
      .ShowDefault();
  AddServiceFlag(command, &flags->service);
  command.Text("--sort", &flags->sort, "rate, p95, errors, grade or impact")
      .OneOf({"rate", "p95", "errors", "grade", "impact"})
      .ShowDefault();
  command.Text("--interval", &flags->interval, "How often it is drawn again")
      .ShowDefault();
  AddLimitFlag(command, &flags->limit, 1000, "Operations to show at most");
  command.Switch("--once", &flags->once,
                 "Print it once: what is done where no terminal is");
  AddClientFlags(command, "Tracing API", kJaegerPort, &flags->client);
  AddColorFlag(command, &flags->color);
  command.Footer(
      "Examples:\n"
      "  khtrace top\n"
      "  khtrace top --sort p95 --service checkout\n"
      "  khtrace top --once --since 1h");
  command.OnRun([flags] { return ExitCodeOf("top", RunTop(*flags)); });
}

}  // namespace khtrace::app
