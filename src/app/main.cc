// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "app/commands.h"
#include "app/version.h"

int main(int argc, char** argv) {
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
  khtrace::app::AddInspectCommand(root, &exit_code);
  khtrace::app::AddVerifyCommand(root, &exit_code);
  khtrace::app::AddDemoCommand(root, &exit_code);
  khtrace::app::AddBenchCommand(root, &exit_code);
  khtrace::app::AddDoctorCommand(root, &exit_code);
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    // Help and version end here too, with code 0.
    return root.exit(e) == 0 ? 0 : 2;
  }
  return exit_code;
}
