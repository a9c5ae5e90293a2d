// SPDX-License-Identifier: Apache-2.0
#include "app/bench_open_store.h"

#include <gtest/gtest.h>

#include "app/bench_analysis.h"
#include "app/bench_query.h"
#include "base/fs.h"
#include "base/temp_dir.h"

namespace khtrace::app {
namespace {

TEST(BenchStore, AMissingStoreIsNamedAndNotMade) {
  const TempDirForTesting dir;
  const std::string missing = dir.File("nothing");
  const std::string message = "cannot open '" + missing +
                              "': there is no store; `khtrace bench store "
                              "--data-dir` fills one";
  const Status query = BenchQuery({.data_dir = missing, .queries = ""});
  ASSERT_FALSE(query);
  EXPECT_EQ(query.error().code, Code::kNotFound);
  EXPECT_EQ(query.error().message, message);
  BenchAnalysisOptions analysis;
  analysis.data_dir = missing;
  const Status status = BenchAnalysis(analysis);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, message);
  EXPECT_FALSE(Fs::Real().Exists(missing));
}

TEST(BenchAnalysis, AWindowThatIsNoneIsRefusedFirst) {
  BenchAnalysisOptions options;
  options.data_dir = "/nowhere";
  for (const char* window : {"-1h", "0s", "soon"}) {
    options.window = window;
    const Status status = BenchAnalysis(options);
    ASSERT_FALSE(status) << window;
    EXPECT_EQ(status.error().code, Code::kInvalidArgument);
    EXPECT_EQ(status.error().message.find("cannot use --window '" +
                                          std::string(window) + "'"),
              0u)
        << status.error().message;
  }
}

}  // namespace
}  // namespace khtrace::app
