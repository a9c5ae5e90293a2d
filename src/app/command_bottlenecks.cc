// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

#include "app/commands.h"
#include "app/flags.h"
#include "app/terminal.h"
#include "app/text_format.h"
#include "app/tracing_client.h"
#include "base/percent.h"

namespace khtrace::app {
namespace {

constexpr size_t kIndent = 4;

struct BottleneckFlags {
  std::string since = "1h";
  std::optional<double> threshold_ms;
  std::string service;
  std::string category;
  std::string sort = "impact";
  int limit = 10;
  bool json = false;
  ClientFlags client;
  std::string color = "auto";
};

Result<std::string> Target(const BottleneckFlags& flags) {
  ASSIGN_OR_RETURN(const std::string range, RangeParams(flags.since));
  std::string target =
      fmt::format("/api/tracing/performance/bottlenecks?limit={}&sort={}{}",
                  flags.limit, flags.sort, range);
  if (flags.threshold_ms) {
    target += fmt::format("&threshold_ms={}", *flags.threshold_ms);
  }
  if (!flags.service.empty()) {
    target += "&service=" + PercentEncode(flags.service);
  }
  if (!flags.category.empty()) {
    target += "&category=" + PercentEncode(flags.category);
  }
  return target;
}

std::string_view FlagWords(std::string_view flag) {
  if (flag == "over_target") return "over its target";
  if (flag == "frequent") return "slow often";
  if (flag == "system_wide") return "felt system-wide";
  return flag;
}

class BottleneckText {
 public:
  explicit BottleneckText(const Terminal& terminal) : terminal_(terminal) {}

  std::string Render(const BottleneckPage& page) {
    for (size_t i = 0; i < page.bottlenecks.size(); ++i) {
      if (i > 0) out_ += '\n';
      One(i + 1, page.bottlenecks[i]);
    }
    if (page.total > page.bottlenecks.size()) {
      out_ += '\n' +
              Paint(terminal_, Style::kDim,
                    fmt::format("the first {} of {}: --limit shows more",
                                page.bottlenecks.size(), page.total)) +
              '\n';
    }
    return std::move(out_);
  }

 private:
  const char* Dot() const { return terminal_.utf8 ? " · " : ", "; }
  const char* Times() const { return terminal_.utf8 ? "×" : "x"; }

  void One(size_t rank, const JudgedBottleneck& bottleneck) {
    const JudgedOperation& operation = bottleneck.operation;
    out_ += fmt::format(
        "{:>2}  {}  {}  {}\n", rank, GradeCell(terminal_, operation.grade),
        Paint(terminal_, Style::kBold,
              Printable(terminal_, operation.operation)),
        Paint(terminal_, Style::kDim, Printable(terminal_, operation.service)));
    if (!operation.reason.empty()) {
      out_ += Wrapped(terminal_, operation.reason, kIndent);
    }
    out_ += Wrapped(terminal_, Figures(bottleneck), kIndent);
    out_ += Wrapped(terminal_, Impact(operation), kIndent);
    for (const Advice& advice : bottleneck.advice) Recommendation(advice);
  }

  std::string Figures(const JudgedBottleneck& bottleneck) const {
    const JudgedOperation& operation = bottleneck.operation;
    std::string text = fmt::format(
        "p50 {}{}p95 {}{}p99 {}{}{} calls/min{}{} errors",
        MillisText(terminal_, operation.p50_ms), Dot(),
        MillisText(terminal_, operation.p95_ms), Dot(),
        MillisText(terminal_, operation.p99_ms), Dot(),
        RateText(operation.calls_per_min), Dot(),
        operation.error_rate > 0 ? PercentText(terminal_, operation.error_rate)
                                 : "no");
    for (const std::string& flag : bottleneck.flags) {
      text.append(Dot()).append(FlagWords(flag));
    }
    return text;
  }

  std::string Impact(const JudgedOperation& operation) const {
    std::string text = fmt::format(
        "impact {:.3g} = duration {:.3g} {} frequency {:.3g} {} reliability "
        "{:.3g}",
        operation.impact, operation.duration_factor, Times(),
        operation.frequency_factor, Times(), operation.reliability_factor);
    if (operation.critical_path_share >= 0.0005) {
      text +=
          fmt::format("; {} of the time on critical paths",
                      PercentText(terminal_, operation.critical_path_share));
    }
    if (operation.recoverable_ms_per_hour > 0) {
      text +=
          fmt::format("; {} an hour to be won",
                      MillisText(terminal_, operation.recoverable_ms_per_hour));
    }
    return text;
  }

  void Recommendation(const Advice& advice) {
    out_ += Wrapped(
        terminal_,
        fmt::format("{} {} ({}: {} of the calls looked at{})",
                    terminal_.utf8 ? "→" : "->", advice.text, advice.type,
                    PercentText(terminal_, advice.confidence),
                    advice.saving_ms > 0
                        ? fmt::format(", saves {} a slow call",
                                      MillisText(terminal_, advice.saving_ms))
                        : ""),
        kIndent);
    for (const std::string& trace : advice.traces) {
      out_ +=
          Paint(terminal_, Style::kDim,
                fmt::format("{}khtrace trace {}", std::string(kIndent + 2, ' '),
                            Printable(terminal_, trace))) +
          '\n';
    }
  }

  const Terminal& terminal_;
  std::string out_;
};

Status RunBottlenecks(const BottleneckFlags& flags) {
  ASSIGN_OR_RETURN(const std::string target, Target(flags));
  ASSIGN_OR_RETURN(const std::string body, AskTracing(flags.client, target));
  if (flags.json) {
    fmt::print("{}\n", body);
    return {};
  }
  ASSIGN_OR_RETURN(const BottleneckPage page, ParseBottlenecks(body));
  const Terminal terminal = DetectTerminal(*ParseColorMode(flags.color));
  if (page.bottlenecks.empty()) {
    fmt::print(
        "{}",
        Wrapped(terminal, page.hint.empty() ? "no bottleneck" : page.hint, 0));
    return {};
  }
  fmt::print("{}", BottleneckText(terminal).Render(page));
  return {};
}

void AddFlags(Command& command, BottleneckFlags& flags) {
  AddSinceFlag(command, &flags.since);
  command.Number("--threshold-ms", &flags.threshold_ms,
                 "Operations whose p95 is above it (default: above the "
                 "target of their category); 0: all");
  AddServiceFlag(command, &flags.service);
  command.Text("--category", &flags.category, "Only of this category");
  command
      .Text("--sort", &flags.sort,
            "impact, p95, count, error_rate, recoverable or "
            "critical_path_share")
      .OneOf({"impact", "p95", "count", "error_rate", "recoverable",
              "critical_path_share"})
      .ShowDefault();
  AddLimitFlag(command, &flags.limit, 1000, "Operations to show at most");
  AddJsonFlag(command, &flags.json);
  AddClientFlags(command, "Tracing API", kJaegerPort, &flags.client);
  AddColorFlag(command, &flags.color);
}

}  // namespace

void AddBottlenecksCommand(Command root) {
  auto flags = std::make_shared<BottleneckFlags>();
  Command command = root.Add(
      "bottlenecks", "What is slow, why, and what to do about it first");
  AddFlags(command, *flags);
  command.Footer(
      "impact = duration (p95 / target) x frequency (log2(1 + calls/min)) x\n"
      "reliability (1 + 9 x error rate).\n\n"
      "Examples:\n"
      "  khtrace bottlenecks\n"
      "  khtrace bottlenecks --since 24h --service checkout\n"
      "  khtrace bottlenecks --threshold-ms 100 --sort recoverable\n"
      "  khtrace bottlenecks --json");
  command.OnRun(
      [flags] { return ExitCodeOf("bottlenecks", RunBottlenecks(*flags)); });
}

}  // namespace khtrace::app
