// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>
#include <string>

#include "app/client.h"
#include "app/commands.h"
#include "app/flags.h"
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

void AddInspectCommand(Command root) {
  auto flags = std::make_shared<InspectFlags>();
  Command command = root.Add(
      "inspect", "Show what a data directory holds: parts, columns, bytes");
  command.Switch("--all", &flags->all, "Show every part and every column");
  AddDataDirArgument(command, &flags->dir);
  AddColorFlag(command, &flags->color);
  command.Footer(
      "May look at the directory of a running server.\n"
      "Example:\n"
      "  khtrace inspect ./khtrace-data");
  command.OnRun([flags] { return ExitCodeOf("inspect", Inspect(*flags)); });
}

}  // namespace khtrace::app
