// SPDX-License-Identifier: Apache-2.0
#include "app/bench_analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "analysis/analyzer.h"
#include "app/bench_open_store.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/text.h"
#include "storage/columnar/columnar_store.h"

namespace khtrace::app {
namespace {

using analysis::Analyzer;
using analysis::Window;
using storage::columnar::ColumnarStore;

// After so long the analyzer keeps nothing.
constexpr std::chrono::minutes kStale{5};

struct Question {
  std::string_view name;
  std::function<Status(Analyzer&, Window)> ask;
};

template <typename T>
Status Drop(const Result<T>& result) {
  return result ? Status() : Status(Error(result.error()));
}

Status AskBottlenecks(Analyzer& analyzer, Window window) {
  analysis::BottleneckRequest request;
  request.window = window;
  return Drop(analyzer.Bottlenecks({}, request));
}

std::vector<Question> Questions() {
  return {
      {"look: operations, services, dependencies, paths",
       [](Analyzer& a, Window w) { return Drop(a.Look({}, w)); }},
      {"bottlenecks with recommendations", AskBottlenecks},
      {"curve of everything",
       [](Analyzer& a, Window w) { return Drop(a.Series({}, w, 0, "", "")); }},
      {"error patterns",
       [](Analyzer& a, Window w) { return Drop(a.Errors({}, w)); }},
  };
}

Result<double> Milliseconds(const Question& question, Analyzer& analyzer,
                            Window window) {
  const auto begun = std::chrono::steady_clock::now();
  RETURN_IF_ERROR(question.ask(analyzer, window));
  const auto taken = std::chrono::steady_clock::now() - begun;
  return std::chrono::duration<double, std::milli>(taken).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Result<std::chrono::nanoseconds> ReadWindow(const std::string& text) {
  const auto window = ParseGoDuration(text);
  if (window && window->count() > 0) return *window;
  return Error{
      Code::kInvalidArgument,
      fmt::format("cannot use --window '{}': expected a duration above "
                  "zero, such as 24h",
                  text)};
}

Status Measure(ColumnarStore& store, std::chrono::nanoseconds length,
               const BenchAnalysisOptions& options) {
  ASSIGN_OR_RETURN(const storage::StoreStats stats, store.Stats({}));
  if (!stats.newest) {
    return Error{Code::kFailedPrecondition,
                 "the store is empty; `khtrace bench store --data-dir` fills "
                 "one"};
  }
  const Window window{stats.newest->Minus(length), *stats.newest};
  FakeClock clock(*stats.newest);
  ThreadPool helpers("analysis", std::thread::hardware_concurrency());
  Analyzer analyzer(store, clock, {}, &helpers);
  fmt::print("{} spans in {} parts, {}; a window of {}\n\n", stats.spans,
             stats.parts, FormatByteSize(stats.disk_bytes), options.window);
  fmt::print("{:>9} {:>9} {:>9}  {}\n", "first ms", "anew", "kept", "question");
  for (const Question& question : Questions()) {
    ASSIGN_OR_RETURN(const double first,
                     Milliseconds(question, analyzer, window));
    std::vector<double> anew;
    std::vector<double> kept;
    for (uint32_t run = 0; run < options.runs; ++run) {
      clock.Advance(kStale);
      ASSIGN_OR_RETURN(anew.emplace_back(),
                       Milliseconds(question, analyzer, window));
      ASSIGN_OR_RETURN(kept.emplace_back(),
                       Milliseconds(question, analyzer, window));
    }
    fmt::print("{:>9.2f} {:>9.2f} {:>9.2f}  {}\n", first, Median(anew),
               Median(kept), question.name);
    std::fflush(stdout);
  }
  return {};
}

}  // namespace

Status BenchAnalysis(const BenchAnalysisOptions& options) {
  log::SetLevel(log::Level::kWarning);
  ASSIGN_OR_RETURN(const std::chrono::nanoseconds window,
                   ReadWindow(options.window));
  ASSIGN_OR_RETURN(const std::unique_ptr<BenchStore> store,
                   BenchStore::Open(options.data_dir));
  RETURN_IF_ERROR(Measure(**store, window, options));
  return store->Close();
}

}  // namespace khtrace::app
