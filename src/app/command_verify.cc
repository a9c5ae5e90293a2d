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

void AddVerifyCommand(CLI::App& root, int* exit_code) {
  auto flags = std::make_shared<VerifyFlags>();
  CLI::App* command = root.add_subcommand(
      "verify", "Read a data directory and check every checksum");
  command->add_option("dir", flags->dir, "The server's data directory")
      ->required();
  command->add_option("--color", flags->color, "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  command->footer(
      "Changes nothing. Exit code 1 if anything is damaged.\n"
      "Example:\n"
      "  khtrace verify ./khtrace-data");
  command->callback([flags, exit_code] {
    const Status done = Verify(*flags);
    *exit_code = done ? kExitOk : ReportError("verify", done.error());
  });
}

}  // namespace khtrace::app
