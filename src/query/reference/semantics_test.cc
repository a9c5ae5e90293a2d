// SPDX-License-Identifier: Apache-2.0
// Runs tests/traceql/semantics/ through the reference evaluation.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "query/reference/reference.h"
#include "query/reference/testing.h"

namespace khtrace::query::reference {
namespace {

const std::string kFolder = KHTRACE_SOURCE_DIR "/tests/traceql/semantics";

TEST(Semantics, ReferenceDoesWhatTheCasesSay) {
  const Engine engine = {Search, RunMetrics};
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  size_t cases = 0;
  for (const auto& path : paths) {
    const SemanticsReport report = RunSemantics(path.string(), engine);
    cases += report.cases;
    for (const std::string& failure : report.failures) {
      ADD_FAILURE() << failure;
    }
  }
  EXPECT_GE(cases, 700u);
}

TEST(Semantics, RunnerTellsWhatDiffers) {
  const Engine finds_nothing = {
      [](TraceList, const SearchRequest&) { return SearchResult(); },
      [](TraceList, const MetricsRequest&) { return MetricsResult(); }};
  const SemanticsReport report =
      RunSemantics(kFolder + "/shapes.txt", finds_nothing);
  ASSERT_GT(report.failures.size(), 30u);
  EXPECT_LT(report.failures.size(), report.cases);
  EXPECT_EQ(report.failures.front(),
            "shapes.txt:10: { .r } ~ { .r }\n"
            "  expected\n    1: 1 2\n  came\n    nothing\n");
  EXPECT_EQ(RunSemantics(kFolder + "/none.txt", finds_nothing).failures.size(),
            1u);
}

}  // namespace
}  // namespace khtrace::query::reference
