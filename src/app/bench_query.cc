// SPDX-License-Identifier: Apache-2.0
#include "app/bench_query.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include "analysis/rule_judge.h"
#include "app/bench_open_store.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/text.h"
#include "query/metrics.h"
#include "query/search.h"
#include "storage/columnar/columnar_store.h"
#include "traceql/checker.h"
#include "traceql/parser.h"

namespace khtrace::app {
namespace {

using SteadyClock = std::chrono::steady_clock;
using storage::columnar::ColumnarStore;

// What a person asks of the demo's services; 200000 is everything there is.
constexpr const char* kDemoQueries = R"(
20 { status = error }
200000 { status = error }
20 { resource.service.name = "checkout" && status = error }
200000 { resource.service.name = "checkout" && status = error }
20 { duration > 500ms }
200000 { duration > 500ms }
20 { name =~ ".*search.*" }
200000 { name =~ ".*search.*" }
20 { span.http.response.status_code >= 500 }
200000 { span.http.response.status_code >= 500 }
20 { kind = server } >> { kind = client && duration > 100ms }
200000 { kind = server } >> { kind = client && duration > 100ms }
20 { } | count() > 20
200000 { } | count() > 20
20 { event:name = "exception" }
200000 { event:name = "exception" }
20 { span.session.id = "no such session" }
20 { } | by(resource.service.name) | count() > 5
20 { status = error } | select(resource.service.name, span.http.route)
step { } | rate() by (resource.service.name)
step { } | quantile_over_time(duration, 0.99) by (resource.service.name)
step { status = error } | rate() by (resource.service.name)
step { resource.service.name = "checkout" } | count_over_time() by (name)
step { } | histogram_over_time(duration)
20 { perf:grade = "F" }
step { } | rate() by (perf:grade)
step { perf:grade = "F" } | rate() by (resource.service.name)
)";

struct Asked {
  std::string text;
  traceql::Query query;
  size_t limit = 0;  // of a search
};

Result<Asked> ReadLine(const std::string& line) {
  Asked asked;
  const size_t space = line.find(' ');
  const std::string first = line.substr(0, space);
  asked.text = space == std::string::npos ? "" : line.substr(space + 1);
  ASSIGN_OR_RETURN(asked.query, traceql::ParseQuery(asked.text));
  RETURN_IF_ERROR(traceql::CheckQuery(asked.query));
  if (asked.query.is_metrics() != (first == "step")) {
    return Error{Code::kInvalidArgument,
                 fmt::format("'{}': a limit of traces belongs before a search, "
                             "'step' before a metrics query",
                             line)};
  }
  if (asked.query.is_metrics()) return asked;
  const auto parsed =
      std::from_chars(first.data(), first.data() + first.size(), asked.limit);
  if (parsed.ec != std::errc() || parsed.ptr != first.data() + first.size() ||
      asked.limit == 0) {
    return Error{Code::kInvalidArgument,
                 fmt::format("'{}': '{}' is no number of traces", line, first)};
  }
  return asked;
}

Result<std::vector<Asked>> ReadQueries(const std::string& path) {
  std::string text = kDemoQueries;
  if (!path.empty()) {
    std::ifstream in(path);
    if (!in) {
      return Error{Code::kNotFound, fmt::format("cannot read {}", path)};
    }
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  std::vector<Asked> queries;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.empty() || line[0] == '#') continue;
    ASSIGN_OR_RETURN(Asked asked, ReadLine(line));
    queries.push_back(std::move(asked));
  }
  return queries;
}

// One run of a query: how long it took, and what came.
struct Run {
  double ms = 0;
  std::string found;
  uint64_t bytes = 0;
};

class Bench {
 public:
  Bench(ColumnarStore& store, UnixNanos start, UnixNanos end)
      : store_(store),
        start_(start),
        end_(end),
        helpers_("query", static_cast<int>(std::max(
                              1u, std::thread::hardware_concurrency()))) {}

  // `cache`: of metrics queries; may be nullptr.
  Result<Run> Once(const Asked& asked, query::MetricsCache* cache = nullptr) {
    const auto begin = SteadyClock::now();
    ASSIGN_OR_RETURN(Run run, asked.query.is_metrics()
                                  ? RunMetrics(asked, cache)
                                  : RunSearch(asked));
    run.ms =
        std::chrono::duration<double, std::milli>(SteadyClock::now() - begin)
            .count();
    return run;
  }

 private:
  Result<Run> RunSearch(const Asked& asked) {
    query::SearchRequest request;
    request.query = &asked.query;
    request.start = start_;
    request.end = end_;
    request.limit = asked.limit;
    request.max_bytes = size_t{4} << 30;
    request.helpers = &helpers_;
    request.judge = &judge_;
    ASSIGN_OR_RETURN(const query::SearchResult result,
                     query::Search(store_, {}, request));
    uint64_t matched = 0;
    for (const query::TraceHit& hit : result.traces) {
      for (const query::Spanset& set : hit.spansets) matched += set.matched;
    }
    return Run{
        0, fmt::format("{} traces, {} spans", result.traces.size(), matched),
        result.stats.inspected_bytes};
  }

  Result<Run> RunMetrics(const Asked& asked, query::MetricsCache* cache) {
    query::MetricsRequest request;
    request.query = &asked.query;
    request.start = start_;
    request.end = end_;
    request.step_nanos = 60'000'000'000;
    request.max_exemplars = 0;
    request.helpers = &helpers_;
    request.cache = cache;
    request.judge = &judge_;
    ASSIGN_OR_RETURN(const query::MetricsResult result,
                     query::RunMetrics(store_, {}, request));
    double sum = 0;
    for (const query::Series& series : result.series) {
      for (const double value : series.values) {
        if (!std::isnan(value)) sum += value;
      }
    }
    return Run{0,
               fmt::format("{} series, sum {:.2f}", result.series.size(), sum),
               result.stats.inspected_bytes};
  }

  ColumnarStore& store_;
  const UnixNanos start_;
  const UnixNanos end_;
  ThreadPool helpers_;
  const analysis::RuleJudge judge_{analysis::AnalysisOptions::Defaults()};
};

Status MeasureOne(Bench& bench, const Asked& asked, uint32_t runs,
                  query::MetricsCache* cache) {
  ASSIGN_OR_RETURN(const Run first, bench.Once(asked, cache));
  std::vector<double> ms;
  for (uint32_t i = 0; i < runs; ++i) {
    ASSIGN_OR_RETURN(const Run run, bench.Once(asked, cache));
    ms.push_back(run.ms);
  }
  std::sort(ms.begin(), ms.end());
  const auto at = [&](double q) {
    return ms[static_cast<size_t>(q * static_cast<double>(ms.size() - 1))];
  };
  const std::string how = asked.limit > 0
                              ? fmt::format(", limit {}", asked.limit)
                          : cache != nullptr ? ", again, from kept partials"
                                             : "";
  fmt::print("{:>9.2f} {:>9.2f} {:>9.2f} {:>9}  {}{}: {}\n", first.ms, at(0.5),
             at(0.95), FormatByteSize(first.bytes), asked.text, how,
             first.found);
  std::fflush(stdout);
  return {};
}

Status Measure(ColumnarStore& store, const std::vector<Asked>& queries,
               uint32_t runs) {
  ASSIGN_OR_RETURN(const storage::StoreStats stats, store.Stats({}));
  if (!stats.oldest) {
    return Error{Code::kFailedPrecondition,
                 "the store is empty; `khtrace bench store --data-dir` fills "
                 "one"};
  }
  fmt::print("{} spans in {} parts, {}\n\n", stats.spans, stats.parts,
             FormatByteSize(stats.disk_bytes));
  fmt::print("{:>9} {:>9} {:>9} {:>9}  {}\n", "first ms", "median", "p95",
             "read", "query");
  Bench bench(store, *stats.oldest, *stats.newest);
  for (const Asked& asked : queries) {
    RETURN_IF_ERROR(MeasureOne(bench, asked, runs, nullptr));
    if (!asked.query.is_metrics()) continue;
    query::MetricsCache cache;
    RETURN_IF_ERROR(bench.Once(asked, &cache));
    RETURN_IF_ERROR(MeasureOne(bench, asked, runs, &cache));
  }
  return {};
}

}  // namespace

Status BenchQuery(const BenchQueryOptions& options) {
  ASSIGN_OR_RETURN(const std::vector<Asked> queries,
                   ReadQueries(options.queries));
  log::SetLevel(log::Level::kWarning);
  ASSIGN_OR_RETURN(const std::unique_ptr<BenchStore> store,
                   BenchStore::Open(options.data_dir));
  RETURN_IF_ERROR(Measure(**store, queries, options.runs));
  return store->Close();
}

}  // namespace khtrace::app
