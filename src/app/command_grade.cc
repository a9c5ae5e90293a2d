// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "app/commands.h"
#include "app/flags.h"
#include "app/terminal.h"
#include "app/text_format.h"
#include "app/tracing_client.h"
#include "base/percent.h"
#include "wire/json_writer.h"

namespace khtrace::app {
namespace {

constexpr size_t kFigureWidth = 9;
constexpr size_t kServiceWidth = 20;

struct GradeFlags {
  std::string since = "1h";
  std::string service;
  std::string category;
  std::string fail_below;
  bool json = false;
  ClientFlags client;
  std::string color = "auto";
};

// The operations of all pages, the worst grade first.
Result<OperationPage> AskAll(const GradeFlags& flags) {
  ASSIGN_OR_RETURN(const std::string range, RangeParams(flags.since));
  std::string target = "/api/tracing/operations?sort=grade&limit=1000" + range;
  if (!flags.service.empty()) {
    target += "&service=" + PercentEncode(flags.service);
  }
  if (!flags.category.empty()) {
    target += "&category=" + PercentEncode(flags.category);
  }
  OperationPage all;
  std::string cursor;
  do {
    ASSIGN_OR_RETURN(const std::string body,
                     AskTracing(flags.client, target + cursor));
    ASSIGN_OR_RETURN(OperationPage page, ParseOperations(body));
    std::move(page.operations.begin(), page.operations.end(),
              std::back_inserter(all.operations));
    all.hint = page.hint;
    cursor = page.next_cursor.empty()
                 ? ""
                 : "&cursor=" + PercentEncode(page.next_cursor);
  } while (!cursor.empty());
  return all;
}

std::string WhyNoGrade(const JudgedOperation& operation) {
  if (operation.no_grade_reason == "insufficient_data") return "too few calls";
  if (operation.no_grade_reason == "no_target") return "no target";
  return operation.no_grade_reason;
}

class GradeTable {
 public:
  explicit GradeTable(const Terminal& terminal) : terminal_(terminal) {
    const size_t fixed = 5 + kServiceWidth + 3 * kFigureWidth + 14 + 6 * 2;
    name_width_ = std::max<size_t>(
        terminal.width > fixed ? terminal.width - fixed : 0, 16);
  }

  std::string Render(const std::vector<JudgedOperation>& operations) const {
    std::string out =
        Paint(terminal_, Style::kDim,
              fmt::format("Grade  {}  {}  {:>{}}  {:>{}}  {:>{}}  {}",
                          FitLeft(terminal_, "Operation", name_width_),
                          FitLeft(terminal_, "Service", kServiceWidth), "p95",
                          kFigureWidth, "Target", kFigureWidth, "Calls",
                          kFigureWidth, "Confidence"));
    out += '\n';
    for (const JudgedOperation& operation : operations) out += Line(operation);
    return out;
  }

 private:
  std::string Line(const JudgedOperation& operation) const {
    const auto figure = [this](const std::string& text) {
      return FitRight(terminal_, text, kFigureWidth);
    };
    const std::string none = terminal_.utf8 ? "–" : "-";
    return fmt::format(
        "{}      {}  {}  {}  {}  {}  {}\n",
        GradeCell(terminal_, operation.grade),
        Paint(terminal_, Style::kBold,
              FitLeft(terminal_, Printable(terminal_, operation.operation),
                      name_width_)),
        FitLeft(terminal_, Printable(terminal_, operation.service),
                kServiceWidth),
        figure(MillisText(terminal_, operation.p95_ms)),
        figure(operation.target_ms ? MillisText(terminal_, *operation.target_ms)
                                   : none),
        figure(CountText(operation.count)),
        operation.grade.empty() || !operation.confidence
            ? Paint(terminal_, Style::kDim, WhyNoGrade(operation))
            : PercentText(terminal_, *operation.confidence));
  }

  const Terminal& terminal_;
  size_t name_width_ = 0;
};

// Letters compare as grades do: "A" is the best.
std::vector<const JudgedOperation*> Below(
    const std::vector<JudgedOperation>& operations, std::string_view least) {
  std::vector<const JudgedOperation*> below;
  for (const JudgedOperation& operation : operations) {
    if (!least.empty() && operation.grade > least) below.push_back(&operation);
  }
  return below;
}

void PrintJson(const std::vector<JudgedOperation>& operations,
               std::string_view least, size_t failing) {
  std::string json;
  wire::JsonWriter w(&json);
  w.BeginObject();
  w.Key("fail_below");
  if (least.empty()) {
    w.Null();
  } else {
    w.String(least);
  }
  w.Key("failing");
  w.Uint(failing);
  w.Key("operations");
  w.BeginArray();
  for (const JudgedOperation& operation : operations) w.Raw(operation.json);
  w.EndArray();
  w.EndObject();
  fmt::print("{}\n", json);
}

// A gate that has measured nothing must not be green.
Status CheckGate(const std::vector<JudgedOperation>& operations,
                 const std::vector<const JudgedOperation*>& below,
                 std::string_view least) {
  if (least.empty()) return {};
  if (!below.empty()) {
    const JudgedOperation& worst = *below.front();
    return Error{
        Code::kFailedPrecondition,
        fmt::format("{} below grade {}, first {} of {} with {}{}",
                    below.size() == 1
                        ? "1 operation is"
                        : fmt::format("{} operations are", below.size()),
                    least, worst.operation, worst.service, worst.grade,
                    worst.reason.empty() ? "" : ": " + worst.reason)};
  }
  const bool graded =
      std::any_of(operations.begin(), operations.end(),
                  [](const auto& one) { return !one.grade.empty(); });
  if (graded) return {};
  return Error{Code::kFailedPrecondition,
               "no operation has a grade: too few calls, or no target; a "
               "longer --since sees more"};
}

Status RunGrade(const GradeFlags& flags) {
  std::string least = flags.fail_below;
  if (!least.empty() && least[0] >= 'a') {
    least[0] = static_cast<char>(least[0] - ('a' - 'A'));
  }
  ASSIGN_OR_RETURN(const OperationPage page, AskAll(flags));
  const auto below = Below(page.operations, least);
  if (flags.json) {
    PrintJson(page.operations, least, below.size());
  } else if (page.operations.empty()) {
    fmt::print("{}\n", page.hint.empty() ? "no operation" : page.hint);
  } else {
    const Terminal terminal = DetectTerminal(*ParseColorMode(flags.color));
    fmt::print("{}", GradeTable(terminal).Render(page.operations));
  }
  return CheckGate(page.operations, below, least);
}

}  // namespace

void AddGradeCommand(Command root) {
  auto flags = std::make_shared<GradeFlags>();
  Command command = root.Add("grade",
                             "Grade every operation, A to F; for people "
                             "and for gates of a build");
  AddSinceFlag(command, &flags->since);
  AddServiceFlag(command, &flags->service);
  command.Text("--category", &flags->category,
               "Only of this category: memory, database, ai, api, "
               "session, …; none: without one");
  command
      .Text("--fail-below", &flags->fail_below,
            "Exit with 1 if an operation has a worse grade than this, "
            "or if none has one")
      .OneOf({"A", "B", "C", "D", "a", "b", "c", "d"});
  AddJsonFlag(command, &flags->json, "Print JSON");
  AddClientFlags(command, "Tracing API", kJaegerPort, &flags->client);
  AddColorFlag(command, &flags->color);
  command.Footer(
      "A grade is that of the 95th percentile against the target of the\n"
      "operation's category; errors lower it. Operations with few calls have "
      "none.\n\n"
      "Examples:\n"
      "  khtrace grade --since 15m\n"
      "  khtrace grade --service checkout --fail-below B\n"
      "  khtrace grade --since 24h --json");
  command.OnRun([flags] { return ExitCodeOf("grade", RunGrade(*flags)); });
}

}  // namespace khtrace::app
