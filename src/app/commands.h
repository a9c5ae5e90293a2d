// SPDX-License-Identifier: Apache-2.0
#pragma once

// The subcommands of khtrace. One file each, command_<name>.cc; each file
// knows its own flags, examples and errors, and main() only lists them.

namespace khtrace::app {

class Command;

// What the process returns.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;  // it was understood and did not work
inline constexpr int kExitUsage = 2;    // it was not understood

// Each adds its subcommand to `root`. Answers go to stdout, trouble to stderr.
void AddBackupCommand(Command root);
void AddBenchCommand(Command root);
void AddBottlenecksCommand(Command root);
void AddCheckConfigCommand(Command root);
void AddCompareCommand(Command root);
void AddDemoCommand(Command root);
void AddDoctorCommand(Command root);
void AddExplainCommand(Command root);
void AddGradeCommand(Command root);
void AddInspectCommand(Command root);
void AddQueryCommand(Command root);
void AddRestoreCommand(Command root);
void AddServeCommand(Command root);
void AddTopCommand(Command root);
void AddTraceCommand(Command root);
void AddVerifyCommand(Command root);

}  // namespace khtrace::app
