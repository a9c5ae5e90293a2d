// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "app/client.h"
#include "app/commands.h"
#include "app/inspect_table.h"
#include "app/terminal.h"
#include "base/fs.h"

namespace khtrace::app {
namespace {

struct InspectFlags {
  std::string dir;
  std::string color = "auto";
  bool all = false;
};

Status Inspect(const InspectFlags& flags) {
  ASSIGN_OR_RETURN(const storage::columnar::DirectoryReport report,
                   storage::columnar::InspectDirectory(Fs::Real(), flags.dir));
  InspectOptions options;
  options.terminal = DetectTerminal(*ParseColorMode(flags.color));
  options.all = flags.all;
  fmt::print("{}", RenderDirectory(report, options));
  return {};
}

}  // namespace

void AddInspectCommand(CLI::App& root, int* exit_code) {
  auto flags = std::make_shared<InspectFlags>();
  CLI::App* command = root.add_subcommand(
      "inspect", "Show what a data directory holds: parts, columns, bytes");
  command->add_flag("--all", flags->all, "Show every part and every column");
  command->add_option("dir", flags->dir, "The server's data directory")
      ->required();
  command->add_option("--color", flags->color, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  command->footer(
      "May look at the directory of a running server.\n"
      "Example:\n"
      "  khtrace inspect ./khtrace-data");
  command->callback([flags, exit_code] {
    const Status done = Inspect(*flags);
    *exit_code = done ? kExitOk : ReportError("inspect", done.error());
  });
}

}  // namespace khtrace::app
