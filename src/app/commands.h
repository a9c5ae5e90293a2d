// SPDX-License-Identifier: Apache-2.0
#pragma once

// The subcommands of khtrace. One file each, command_<name>.cc; each file
// knows its own flags, examples and errors, and main() only lists them.

namespace CLI {
class App;
}

namespace khtrace::app {

// What the process returns.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;  // it was understood and did not work
inline constexpr int kExitUsage = 2;    // it was not understood

// Each adds its subcommand to `root`. If the user chose it, it runs while
// `root` parses and leaves its outcome in `*exit_code`, which outlives the
// parse. Answers go to stdout, trouble to stderr.
void AddBackupCommand(CLI::App& root, int* exit_code);
void AddBenchCommand(CLI::App& root, int* exit_code);
void AddBottlenecksCommand(CLI::App& root, int* exit_code);
void AddCheckConfigCommand(CLI::App& root, int* exit_code);
void AddDemoCommand(CLI::App& root, int* exit_code);
void AddDoctorCommand(CLI::App& root, int* exit_code);
void AddExplainCommand(CLI::App& root, int* exit_code);
void AddGradeCommand(CLI::App& root, int* exit_code);
void AddInspectCommand(CLI::App& root, int* exit_code);
void AddQueryCommand(CLI::App& root, int* exit_code);
void AddRestoreCommand(CLI::App& root, int* exit_code);
void AddServeCommand(CLI::App& root, int* exit_code);
void AddTopCommand(CLI::App& root, int* exit_code);
void AddTraceCommand(CLI::App& root, int* exit_code);
void AddVerifyCommand(CLI::App& root, int* exit_code);

}  // namespace khtrace::app
