// SPDX-License-Identifier: Apache-2.0
#include "app/flags.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>
#include <utility>

#include "app/commands.h"
#include "base/text.h"

namespace khtrace::app {
namespace {

// What CLI11 says of `khtrace nonsense` is only that a subcommand is required.
void ReportMissing(const CLI::App& root, const CLI::RequiredError& error,
                   const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* command : root.get_subcommands(nullptr)) {
    names.push_back(command->get_name());
  }
  const bool known = std::find(names.begin(), names.end(), word) != names.end();
  if (known || word.empty() || word[0] == '-') {
    root.exit(error);
    return;
  }
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const auto nearest = NearestWord(word, candidates);
  fmt::print(stderr, "khtrace: unknown command '{}'{}; the commands are {}\n",
             word, nearest ? fmt::format(", did you mean '{}'?", *nearest) : "",
             fmt::join(names, ", "));
}

}  // namespace

Flag& Flag::Required() {
  option_->required();
  return *this;
}

Flag& Flag::ShowDefault() {
  option_->capture_default_str();
  return *this;
}

Flag& Flag::TypeName(const char* name) {
  option_->type_name(name);
  return *this;
}

Flag& Flag::Range(int least, int most) {
  option_->check(CLI::Range(least, most));
  return *this;
}

Flag& Flag::Range(uint64_t least, uint64_t most) {
  option_->check(CLI::Range(least, most));
  return *this;
}

Flag& Flag::OneOf(const std::vector<std::string>& words) {
  option_->check(CLI::IsMember(words));
  return *this;
}

Flag& Flag::Environment(const char* variable) {
  option_->envname(variable);
  return *this;
}

Flag& Flag::Excludes(const Flag& other) {
  option_->excludes(other.option_);
  return *this;
}

Command Command::Add(const char* name, const std::string& help) {
  return {*app_->add_subcommand(name, help), exit_code_};
}

void Command::RequireSubcommand() { app_->require_subcommand(1); }

void Command::Footer(const char* text) { app_->footer(text); }

void Command::OnRun(std::function<int()> run) {
  app_->callback(
      [run = std::move(run), exit_code = exit_code_] { *exit_code = run(); });
}

Flag Command::Text(const char* name, std::string* target,
                   const std::string& help) {
  return Flag(*app_->add_option(name, *target, help));
}

Flag Command::Texts(const char* name, std::vector<std::string>* target,
                    const std::string& help) {
  // CLI11 would take "--flag a b" for two values.
  return Flag(*app_->add_option(name, *target, help)->allow_extra_args(false));
}

Flag Command::Number(const char* name, int* target, const std::string& help) {
  return Flag(*app_->add_option(name, *target, help));
}

Flag Command::Number(const char* name, uint32_t* target,
                     const std::string& help) {
  return Flag(*app_->add_option(name, *target, help));
}

Flag Command::Number(const char* name, uint64_t* target,
                     const std::string& help) {
  return Flag(*app_->add_option(name, *target, help));
}

Flag Command::Number(const char* name, double* target,
                     const std::string& help) {
  return Flag(*app_->add_option(name, *target, help));
}

Flag Command::Number(const char* name, std::optional<double>* target,
                     const std::string& help) {
  return Flag(*app_->add_option(name, *target, help));
}

Flag Command::Switch(const char* name, bool* target, const std::string& help) {
  return Flag(*app_->add_flag(name, *target, help));
}

Program::Program(const char* about, const std::string& version,
                 const char* footer)
    : app_(std::make_unique<CLI::App>(about)) {
  app_->set_version_flag("--version", version);
  app_->require_subcommand(1);
  app_->footer(footer);
}

Program::~Program() = default;

Command Program::root() { return {*app_, &exit_code_}; }

int Program::Run(int argc, const char* const* argv) {
  try {
    app_->parse(argc, argv);
  } catch (const CLI::RequiredError& e) {
    ReportMissing(*app_, e, argc < 2 ? "" : argv[1]);
    return kExitUsage;
  } catch (const CLI::ParseError& e) {
    // Help and version end here too, with code 0.
    return app_->exit(e) == 0 ? kExitOk : kExitUsage;
  }
  return exit_code_;
}

Flag AddColorFlag(Command& command, std::string* target) {
  return command.Text("--color", target, "auto, always or never")
      .OneOf({"auto", "always", "never"});
}

Flag AddJsonFlag(Command& command, bool* target, const std::string& help) {
  return command.Switch("--json", target, help);
}

Flag AddSinceFlag(Command& command, std::string* target) {
  return command
      .Text("--since", target, "How far back (15m), or from when (RFC 3339)")
      .ShowDefault();
}

Flag AddServiceFlag(Command& command, std::string* target) {
  return command.Text("--service", target, "Only of this service");
}

Flag AddLimitFlag(Command& command, int* target, int most,
                  const std::string& help) {
  return command.Number("--limit", target, help).Range(1, most).ShowDefault();
}

Flag AddDataDirArgument(Command& command, std::string* target) {
  return command.Text("dir", target, "The server's data directory").Required();
}

}  // namespace khtrace::app
