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

struct VerifyFlags {
  std::string dir;
  std::string color = "auto";
};

Status Verify(const VerifyFlags& flags) {
  ASSIGN_OR_RETURN(const storage::columnar::VerifyReport report,
                   storage::columnar::VerifyDirectory(Fs::Real(), flags.dir));
  fmt::print("{}", RenderVerification(
                       report, DetectTerminal(*ParseColorMode(flags.color))));
  if (report.damage.empty()) return {};
  return Error{Code::kDataLoss, fmt::format("{} is damaged", flags.dir)};
}

}  // namespace

void AddVerifyCommand(Command root) {
  auto flags = std::make_shared<VerifyFlags>();
  Command command =
      root.Add("verify", "Read a data directory and check every checksum");
  AddDataDirArgument(command, &flags->dir);
  AddColorFlag(command, &flags->color);
  command.Footer(
      "Changes nothing. Exit code 1 if anything is damaged.\n"
      "Example:\n"
      "  khtrace verify ./khtrace-data");
  command.OnRun([flags] { return ExitCodeOf("verify", Verify(*flags)); });
}

}  // namespace khtrace::app
