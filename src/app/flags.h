// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// The command line as the commands see it: a program with commands, commands
// with flags. It stands in front of CLI11, a library in one large header that
// only flags.cc reads.

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace khtrace::app {

// A flag or positional argument of a command, to say more of it. A borrow of
// something that lives as long as its Program.
class Flag {
 public:
  Flag& Required();
  // The help tells the value that the target has now.
  Flag& ShowDefault();
  // What the help calls the value: FILE. Otherwise the type: TEXT, INT.
  Flag& TypeName(const char* name);
  // Other values are usage errors. Both bounds belong to it.
  Flag& Range(int least, int most);
  Flag& Range(uint64_t least, uint64_t most);
  Flag& OneOf(const std::vector<std::string>& words);
  // Where the value comes from when the flag is not given.
  Flag& Environment(const char* variable);
  // Both at once are a usage error.
  Flag& Excludes(const Flag& other);

 private:
  friend class Command;
  explicit Flag(CLI::Option& option) : option_(&option) {}

  CLI::Option* option_;
};

// A command of the program, or one below it. A borrow like Flag. External.
class Command {
 public:
  // A command below this one.
  Command Add(const char* name, const std::string& help);
  // Parsing fails unless one of the commands below is given.
  void RequireSubcommand();
  void Footer(const char* text);
  // What it does once everything is parsed; gives the exit code.
  void OnRun(std::function<int()> run);

  // A flag is named "--name", a positional argument "name". `target` holds
  // the default, gets the value, and lives as long as the program.
  Flag Text(const char* name, std::string* target, const std::string& help);
  // Repeatable; one value each time it is given.
  Flag Texts(const char* name, std::vector<std::string>* target,
             const std::string& help);
  Flag Number(const char* name, int* target, const std::string& help);
  Flag Number(const char* name, uint32_t* target, const std::string& help);
  Flag Number(const char* name, uint64_t* target, const std::string& help);
  Flag Number(const char* name, double* target, const std::string& help);
  Flag Number(const char* name, std::optional<double>* target,
              const std::string& help);
  // Has no value: being given makes it true.
  Flag Switch(const char* name, bool* target, const std::string& help);

 private:
  friend class Program;
  Command(CLI::App& app, int* exit_code) : app_(&app), exit_code_(exit_code) {}

  CLI::App* app_;
  int* exit_code_;
};

// Owns the commands. Confined to one thread.
class Program {
 public:
  // `version` is what --version prints.
  Program(const char* about, const std::string& version, const char* footer);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  Command root();
  // Parses, and runs the command that was chosen. The exit code: the command's,
  // kExitOk for help and version (to stdout), kExitUsage for what is not
  // understood (said on stderr). Exceptions of the command pass through.
  int Run(int argc, const char* const* argv);

 private:
  int exit_code_ = 0;  // commands keep its address
  const std::unique_ptr<CLI::App> app_;
};

// What several commands have, said in one way.

// --color auto|always|never
Flag AddColorFlag(Command& command, std::string* target);
// --json
Flag AddJsonFlag(Command& command, bool* target,
                 const std::string& help = "Print the server's JSON answer");
// --since: how far back, or from when (query_moment.h).
Flag AddSinceFlag(Command& command, std::string* target);
// --service: only of this one.
Flag AddServiceFlag(Command& command, std::string* target);
// --limit with its default, 1 to `most`.
Flag AddLimitFlag(Command& command, int* target, int most,
                  const std::string& help);
// The positional argument `dir`: a data directory that is there.
Flag AddDataDirArgument(Command& command, std::string* target);

}  // namespace khtrace::app
