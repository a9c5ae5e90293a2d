// SPDX-License-Identifier: Apache-2.0
#include "app/flags.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "app/commands.h"

namespace khtrace::app {
namespace {

struct Values {
  std::string text = "before";
  std::vector<std::string> texts;
  int number = 20;
  uint64_t large = 0;
  std::optional<double> real;
  bool on = false;
  std::string color = "auto";
  std::string dir;
};

struct Outcome {
  int code = 0;
  Values values;
  std::string out;
  std::string err;
  bool ran = false;
};

// One program with all kinds of flags; its command returns 7.
Outcome RunWith(std::vector<const char*> args) {
  Outcome outcome;
  Values& values = outcome.values;
  Program program("about it", "khtrace 1.2", "The end.");
  Command root = program.root();
  Command command = root.Add("look", "Look at it");
  command.Text("--text", &values.text, "A text").Environment("KHT_FLAGS_TEST");
  command.Texts("--more", &values.texts, "Some texts").TypeName("WORD");
  command.Number("--large", &values.large, "Up to ten")
      .Range(uint64_t{1}, uint64_t{10});
  command.Number("--real", &values.real, "A number");
  Flag on = command.Switch("--on", &values.on, "Is it on");
  command.Text("--off", &values.text, "What is off").Excludes(on);
  AddLimitFlag(command, &values.number, 100, "How many");
  AddColorFlag(command, &values.color);
  AddDataDirArgument(command, &values.dir);
  command.OnRun([&outcome] {
    outcome.ran = true;
    return 7;
  });
  Command group = root.Add("group", "Has commands of its own");
  group.RequireSubcommand();
  group.Add("inner", "Does it").OnRun([] { return 9; });
  args.insert(args.begin(), "khtrace");
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  outcome.code = program.Run(static_cast<int>(args.size()), args.data());
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

TEST(Program, RunsTheChosenCommandWithItsValues) {
  const Outcome outcome =
      RunWith({"look", "data", "--text", "a b", "--more", "x", "--more", "y",
               "--limit", "100", "--large=10", "--real", "0.5", "--on"});
  EXPECT_EQ(outcome.code, 7);
  EXPECT_EQ(outcome.values.dir, "data");
  EXPECT_EQ(outcome.values.text, "a b");
  EXPECT_EQ(outcome.values.texts, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(outcome.values.number, 100);
  EXPECT_EQ(outcome.values.large, 10u);
  EXPECT_EQ(outcome.values.real, 0.5);
  EXPECT_TRUE(outcome.values.on);
  EXPECT_EQ(outcome.out + outcome.err, "");
}

TEST(Program, KeepsDefaultsOfFlagsThatAreNotGiven) {
  const Outcome outcome = RunWith({"look", "data"});
  EXPECT_EQ(outcome.code, 7);
  EXPECT_EQ(outcome.values.text, "before");
  EXPECT_EQ(outcome.values.number, 20);
  EXPECT_EQ(outcome.values.real, std::nullopt);
}

TEST(Program, GivesTheCodeOfACommandBelowACommand) {
  EXPECT_EQ(RunWith({"group", "inner"}).code, 9);
  EXPECT_EQ(RunWith({"group"}).code, kExitUsage);
}

TEST(Program, TakesAValueFromTheEnvironment) {
  setenv("KHT_FLAGS_TEST", "of the environment", 1);
  EXPECT_EQ(RunWith({"look", "data"}).values.text, "of the environment");
  EXPECT_EQ(RunWith({"look", "data", "--text", "t"}).values.text, "t");
  unsetenv("KHT_FLAGS_TEST");
}

TEST(Program, RefusesWhatItDoesNotUnderstandWithoutRunning) {
  const std::vector<std::pair<std::vector<const char*>, const char*>> cases = {
      {{"look"}, "dir is required"},
      {{"look", "d", "--limit", "0"}, "not in range 1 to 100"},
      {{"look", "d", "--limit", "101"}, "not in range 1 to 100"},
      {{"look", "d", "--large", "0"}, "not in range 1 to 10"},
      {{"look", "d", "--real", "x"}, "--real"},
      {{"look", "d", "--color", "blue"}, "blue not in {auto,always,never}"},
      {{"look", "d", "--on", "--off", "x"}, "--on"},
      {{"look", "d", "--more", "a", "b"}, "b"},
      {{"look", "d", "--bogus"}, "--bogus"},
      {{"lok"}, "did you mean 'look'?; the commands are look, group"},
      {{}, "subcommand is required"},
  };
  for (const auto& [args, message] : cases) {
    const Outcome outcome = RunWith(args);
    EXPECT_EQ(outcome.code, kExitUsage) << message;
    EXPECT_FALSE(outcome.ran) << message;
    EXPECT_NE(outcome.err.find(message), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

TEST(Program, HelpTellsTypesBoundsAndDefaults) {
  const Outcome outcome = RunWith({"look", "--help"});
  EXPECT_EQ(outcome.code, kExitOk);
  EXPECT_FALSE(outcome.ran);
  for (const char* part :
       {"dir TEXT REQUIRED", "--more WORD", "--limit INT:INT in [1 - 100]=20",
        "--large UINT:UINT in [1 - 10]", "--color TEXT:{auto,always,never}",
        "(Env:KHT_FLAGS_TEST)", "Excludes: --on"}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << "\n"
                                                         << outcome.out;
  }
  EXPECT_EQ(RunWith({"--version"}).out, "khtrace 1.2\n");
  EXPECT_NE(RunWith({"--help"}).out.find("The end."), std::string::npos);
}

}  // namespace
}  // namespace khtrace::app
