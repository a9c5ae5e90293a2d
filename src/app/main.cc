// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "app/allocator.h"
#include "app/commands.h"
#include "app/version.h"
#include "base/text.h"

namespace khtrace::app {
namespace {

// What CLI11 says of `khtrace nonsense` is only that a subcommand is required.
int ReportMissing(const CLI::App& root, const CLI::RequiredError& error,
                  const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* command : root.get_subcommands(nullptr)) {
    names.push_back(command->get_name());
  }
  const bool known = std::find(names.begin(), names.end(), word) != names.end();
  if (known || word.empty() || word[0] == '-') {
    root.exit(error);
    return kExitUsage;
  }
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const auto nearest = NearestWord(word, candidates);
  fmt::print(stderr, "khtrace: unknown command '{}'{}; the commands are {}\n",
             word, nearest ? fmt::format(", did you mean '{}'?", *nearest) : "",
             fmt::join(names, ", "));
  return kExitUsage;
}

}  // namespace
}  // namespace khtrace::app

int main(int argc, char** argv) {
  khtrace::app::TuneAllocator();
  CLI::App root{
      "khtrace receives, stores and answers questions about distributed "
      "traces: one program in the place of OpenTelemetry Collector, Jaeger "
      "and Tempo"};
  root.set_version_flag(
      "--version",
      fmt::format("khtrace {} ({})", khtrace::app::ThisBuild().version,
                  khtrace::app::ThisBuild().revision));
  root.require_subcommand(1);
  root.footer(
      "khtrace COMMAND --help tells more. First steps:\n"
      "  khtrace serve                 # start the server\n"
      "  khtrace demo                  # send it example traffic\n"
      "  khtrace query --since 15m     # list traces\n"
      "  khtrace trace ID              # look at one");
  int exit_code = 0;
  khtrace::app::AddServeCommand(root, &exit_code);
  khtrace::app::AddCheckConfigCommand(root, &exit_code);
  khtrace::app::AddQueryCommand(root, &exit_code);
  khtrace::app::AddTraceCommand(root, &exit_code);
  khtrace::app::AddExplainCommand(root, &exit_code);
  khtrace::app::AddGradeCommand(root, &exit_code);
  khtrace::app::AddBottlenecksCommand(root, &exit_code);
  khtrace::app::AddTopCommand(root, &exit_code);
  khtrace::app::AddInspectCommand(root, &exit_code);
  khtrace::app::AddVerifyCommand(root, &exit_code);
  khtrace::app::AddDemoCommand(root, &exit_code);
  khtrace::app::AddBackupCommand(root, &exit_code);
  khtrace::app::AddRestoreCommand(root, &exit_code);
  khtrace::app::AddBenchCommand(root, &exit_code);
  khtrace::app::AddDoctorCommand(root, &exit_code);
  try {
    root.parse(argc, argv);
  } catch (const CLI::RequiredError& e) {
    exit_code = khtrace::app::ReportMissing(root, e, argc < 2 ? "" : argv[1]);
  } catch (const CLI::ParseError& e) {
    // Help and version end here too, with code 0.
    exit_code = root.exit(e) == 0 ? 0 : 2;
  } catch (const std::system_error& e) {
    // fmt::print throws when a standard stream takes no more.
    std::fputs("khtrace: cannot write the output: ", stderr);
    std::fputs(e.what(), stderr);
    std::fputs("\n", stderr);
    return khtrace::app::kExitFailure;
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    std::perror("khtrace: cannot write the output");
    return khtrace::app::kExitFailure;
  }
  return exit_code;
}
