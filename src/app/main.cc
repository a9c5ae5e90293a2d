// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstdio>
#include <system_error>

#include "app/allocator.h"
#include "app/commands.h"
#include "app/flags.h"
#include "app/version.h"

int main(int argc, char** argv) {
  khtrace::app::TuneAllocator();
  khtrace::app::Program program(
      "khtrace receives, stores and answers questions about distributed "
      "traces: one program in the place of OpenTelemetry Collector, Jaeger "
      "and Tempo",
      fmt::format("khtrace {} ({})", khtrace::app::ThisBuild().version,
                  khtrace::app::ThisBuild().revision),
      "khtrace COMMAND --help tells more. First steps:\n"
      "  khtrace serve                 # start the server\n"
      "  khtrace demo                  # send it example traffic\n"
      "  khtrace query --since 15m     # list traces\n"
      "  khtrace trace ID              # look at one");
  khtrace::app::Command root = program.root();
  khtrace::app::AddServeCommand(root);
  khtrace::app::AddCheckConfigCommand(root);
  khtrace::app::AddQueryCommand(root);
  khtrace::app::AddTraceCommand(root);
  khtrace::app::AddExplainCommand(root);
  khtrace::app::AddGradeCommand(root);
  khtrace::app::AddBottlenecksCommand(root);
  khtrace::app::AddCompareCommand(root);
  khtrace::app::AddTopCommand(root);
  khtrace::app::AddInspectCommand(root);
  khtrace::app::AddVerifyCommand(root);
  khtrace::app::AddDemoCommand(root);
  khtrace::app::AddBackupCommand(root);
  khtrace::app::AddRestoreCommand(root);
  khtrace::app::AddBenchCommand(root);
  khtrace::app::AddDoctorCommand(root);
  int exit_code = 0;
  try {
    exit_code = program.Run(argc, argv);
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
