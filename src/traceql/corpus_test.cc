// SPDX-License-Identifier: Apache-2.0
// Runs tests/traceql/: its README.md has the format.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "traceql/checker.h"
#include "traceql/parser.h"
#include "traceql/printer.h"

namespace khtrace::traceql {
namespace {

struct Case {
  std::string where;  // "pipelines.txt:12"
  std::string query;
  std::optional<std::string> canonical;  // => …
  std::vector<std::string> equals;       // == …
  std::string error;                     // !! line:column fragment
};

bool TakePrefix(std::string_view prefix, std::string_view* line) {
  if (line->substr(0, prefix.size()) != prefix) return false;
  line->remove_prefix(prefix.size());
  return true;
}

std::vector<Case> ReadCases(const std::filesystem::path& path) {
  std::vector<Case> cases;
  std::ifstream in(path);
  std::string text;
  for (int number = 1; std::getline(in, text); ++number) {
    std::string_view line = text;
    if (line.empty() || line[0] == '#') continue;
    if (TakePrefix("    ", &line)) {
      cases.back().query += "\n" + std::string(line);
    } else if (TakePrefix("=> ", &line)) {
      cases.back().canonical = line;
    } else if (TakePrefix("== ", &line)) {
      cases.back().equals.emplace_back(line);
    } else if (TakePrefix("!! ", &line)) {
      cases.back().error = line;
    } else {
      const std::string name = path.filename().string();
      cases.push_back(
          {fmt::format("{}:{}", name, number), text, std::nullopt, {}, {}});
    }
  }
  return cases;
}

std::vector<Case> ReadFolder(const std::string& folder) {
  const std::string root = KHTRACE_SOURCE_DIR "/tests/traceql/" + folder;
  std::vector<Case> all;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) {
    const std::vector<Case> cases = ReadCases(path);
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

Result<Query> ParseAndCheck(const std::string& text, Diagnostic* diagnostic) {
  ASSIGN_OR_RETURN(Query query, ParseQuery(text, {}, diagnostic));
  RETURN_IF_ERROR(CheckQuery(query, diagnostic));
  return query;
}

void ExpectAccepted(const Case& c) {
  SCOPED_TRACE(c.where + ": " + c.query);
  const auto query = ParseAndCheck(c.query, nullptr);
  ASSERT_TRUE(query) << query.error().message;
  const std::string canonical = Print(*query);
  EXPECT_EQ(canonical, c.canonical.value_or(c.query));
  const auto again = ParseQuery(canonical);
  ASSERT_TRUE(again) << canonical << ": " << again.error().message;
  EXPECT_TRUE(*again == *query) << canonical;
  EXPECT_EQ(Print(*again), canonical);
  for (const std::string& other : c.equals) {
    const auto same = ParseQuery(other);
    ASSERT_TRUE(same) << other << ": " << same.error().message;
    EXPECT_TRUE(*same == *query) << other;
  }
}

void ExpectRejected(const Case& c) {
  SCOPED_TRACE(c.where + ": " + c.query);
  Diagnostic diagnostic;
  const auto query = ParseAndCheck(c.query, &diagnostic);
  ASSERT_FALSE(query) << "was accepted: " << Print(*query);
  EXPECT_EQ(query.error().code, Code::kInvalidArgument);
  EXPECT_EQ(query.error().message, ToString(diagnostic));
  const std::string said =
      fmt::format("{}:{} {}", diagnostic.position.line,
                  diagnostic.position.column, query.error().message);
  const size_t space = c.error.find(' ');
  ASSERT_NE(space, std::string::npos) << "no !! line; it says " << said;
  EXPECT_EQ(said.substr(0, said.find(' ')), c.error.substr(0, space)) << said;
  EXPECT_NE(said.find(c.error.substr(space + 1)), std::string::npos) << said;
}

TEST(Corpus, AcceptedQueriesPrintAsTheyShould) {
  const std::vector<Case> cases = ReadFolder("valid");
  EXPECT_GE(cases.size(), 500u);
  for (const Case& c : cases) ExpectAccepted(c);
}

TEST(Corpus, RejectedQueriesNamePlaceAndReason) {
  const std::vector<Case> cases = ReadFolder("invalid");
  EXPECT_GE(cases.size(), 300u);
  for (const Case& c : cases) ExpectRejected(c);
}

}  // namespace
}  // namespace khtrace::traceql
