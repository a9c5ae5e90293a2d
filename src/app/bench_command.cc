// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <memory>
#include <thread>

#include "app/bench_analysis.h"
#include "app/bench_corpus.h"
#include "app/bench_query.h"
#include "app/bench_store.h"
#include "app/commands.h"
#include "app/flags.h"
#include "app/server_process.h"
#include "base/text.h"
#include "codec/otlp.h"
#include "net/http_client.h"

namespace khtrace::app {
namespace {

using SteadyClock = std::chrono::steady_clock;

double SecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

// Of this thread: what others take of the core does not count.
double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) +
         static_cast<double>(now.tv_nsec) / 1e9;
}

double Millions(uint64_t count) { return static_cast<double>(count) / 1e6; }

struct BenchOptions {
  std::string corpus_file;
  uint64_t spans = 1'000'000;
  uint32_t spans_per_request = 1000;
  uint64_t seed = 42;
  int rounds = 5;
  int connections = 4;
  std::string data_dir;
  int port_offset = 20'000;
  std::vector<std::string> sets;
};

Result<BenchCorpus> CorpusOf(const BenchOptions& options) {
  fmt::print(stderr, "preparing the corpus …\n");
  if (!options.corpus_file.empty()) return LoadCorpus(options.corpus_file);
  return MakeCorpus(options.spans, options.spans_per_request, options.seed);
}

void PrintCorpus(const BenchCorpus& corpus) {
  fmt::print(
      "corpus: {}: {} spans, {} requests, {:.0f} bytes a span\n", corpus.name,
      corpus.spans, corpus.requests.size(),
      static_cast<double>(corpus.bytes) / static_cast<double>(corpus.spans));
}

Status BenchDecode(const BenchOptions& options) {
  ASSIGN_OR_RETURN(const BenchCorpus corpus, CorpusOf(options));
  PrintCorpus(corpus);
  fmt::print("\n{:>6}  {:>14}  {:>10}  {:>10}\n", "round", "spans/s", "MB/s",
             "ns/span");
  for (int round = 1; round <= options.rounds; ++round) {
    uint64_t spans = 0;
    double seconds = 0;
    for (const std::string& request : corpus.requests) {
      std::string body = request;  // the receive buffer: not part of decoding
      const double start = CpuSeconds();
      ASSIGN_OR_RETURN(const codec::OtlpDecoded decoded,
                       codec::DecodeOtlpProtobuf(std::move(body)));
      seconds += CpuSeconds() - start;
      spans += decoded.batch.row_count();
    }
    fmt::print("{:>6}  {:>14.0f}  {:>10.0f}  {:>10.1f}\n", round,
               static_cast<double>(spans) / seconds,
               static_cast<double>(corpus.bytes) / 1e6 / seconds,
               seconds * 1e9 / static_cast<double>(spans));
  }
  return {};
}

struct LoadResult {
  uint64_t refused = 0;  // answers that asked to retry
  double seconds = 0;
  std::vector<double> latencies_ms;
  std::string failure;
};

// One connection: takes the next request until none is left; a refused one is
// sent again after a short pause, as an SDK does.
void SendShare(const BenchCorpus& corpus, uint16_t port,
               std::atomic<size_t>* next, LoadResult* result) {
  net::HttpClientOptions client_options;
  client_options.port = port;
  net::HttpClient client(client_options);
  for (size_t i; (i = next->fetch_add(1)) < corpus.requests.size();) {
    for (;;) {
      const auto start = SteadyClock::now();
      const Result<net::HttpResponse> response = client.Post(
          "/v1/traces", corpus.requests[i], "application/x-protobuf");
      result->latencies_ms.push_back(SecondsSince(start) * 1e3);
      if (response && response->status == 200) break;
      if (!response || (response->status != 429 && response->status != 503)) {
        result->failure = response ? response->body : response.error().message;
        return;
      }
      ++result->refused;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
}

Result<LoadResult> Load(const BenchCorpus& corpus, uint16_t port,
                        int connections) {
  std::atomic<size_t> next{0};
  std::vector<LoadResult> shares(static_cast<size_t>(connections));
  const auto start = SteadyClock::now();
  {
    std::vector<std::jthread> threads;
    for (LoadResult& share : shares) {
      threads.emplace_back([&] { SendShare(corpus, port, &next, &share); });
    }
  }
  LoadResult total;
  total.seconds = SecondsSince(start);
  for (const LoadResult& share : shares) {
    if (!share.failure.empty()) {
      return Error{Code::kUnavailable, "a request failed: " + share.failure};
    }
    total.refused += share.refused;
    total.latencies_ms.insert(total.latencies_ms.end(),
                              share.latencies_ms.begin(),
                              share.latencies_ms.end());
  }
  std::sort(total.latencies_ms.begin(), total.latencies_ms.end());
  return total;
}

// Waits until the server has done its background work: less than 2 % of a
// core over a second, half a minute at most.
ProcessUsage WaitUntilIdle(const ServerProcess& server) {
  ProcessUsage before = server.Usage();
  for (int second = 0; second < 30; ++second) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const ProcessUsage now = server.Usage();
    if (now.cpu_seconds - before.cpu_seconds < 0.02) return now;
    before = now;
  }
  return before;
}

uint64_t DirectoryBytes(const std::string& dir) {
  uint64_t bytes = 0;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(dir, ignored)) {
    if (entry.is_regular_file(ignored)) bytes += entry.file_size(ignored);
  }
  return bytes;
}

void PrintIngest(const BenchCorpus& corpus, const LoadResult& load,
                 const ProcessUsage& loaded, const ProcessUsage& idle,
                 const ProcessUsage& stopped_base, uint64_t disk_bytes) {
  const double millions = Millions(corpus.spans);
  const auto quantile = [&](double q) {
    const auto last = static_cast<double>(load.latencies_ms.size() - 1);
    return load.latencies_ms[static_cast<size_t>(q * last)];
  };
  const auto row = [](const char* name, const std::string& value) {
    fmt::print("{:<44} {:>14}\n", name, value);
  };
  fmt::print("\n");
  row("spans/s",
      fmt::format("{:.0f}", static_cast<double>(corpus.spans) / load.seconds));
  row("raw MB/s", fmt::format("{:.0f}", static_cast<double>(corpus.bytes) /
                                            1e6 / load.seconds));
  row("server CPU-s per million spans, at load's end",
      fmt::format("{:.2f}",
                  (loaded.cpu_seconds - stopped_base.cpu_seconds) / millions));
  row("server CPU-s per million spans, until idle",
      fmt::format("{:.2f}",
                  (idle.cpu_seconds - stopped_base.cpu_seconds) / millions));
  row("peak memory", FormatByteSize(idle.peak_bytes));
  row("request latency p50 / p95 / p99, ms",
      fmt::format("{:.1f} / {:.1f} / {:.1f}", quantile(0.5), quantile(0.95),
                  quantile(0.99)));
  row("requests told to retry", fmt::format("{}", load.refused));
  row("bytes on disk a span, after stop",
      fmt::format("{:.1f}", static_cast<double>(disk_bytes) /
                                static_cast<double>(corpus.spans)));
}

Status BenchIngest(const BenchOptions& options) {
  ASSIGN_OR_RETURN(const BenchCorpus corpus, CorpusOf(options));
  PrintCorpus(corpus);
  const bool own_dir = options.data_dir.empty();
  const std::string dir = own_dir ? (std::filesystem::temp_directory_path() /
                                     fmt::format("khtrace-bench-{}", getpid()))
                                        .string()
                                  : options.data_dir;
  const std::string log_path = dir + ".log";
  std::vector<std::string> arguments = {"--data-dir", dir, "--port-offset",
                                        fmt::format("{}", options.port_offset)};
  for (const std::string& set : options.sets) {
    arguments.insert(arguments.end(), {"--set", set});
  }
  const Status status = [&]() -> Status {
    ASSIGN_OR_RETURN(const std::unique_ptr<ServerProcess> server,
                     ServerProcess::Start(arguments, log_path));
    const ProcessUsage base = server->Usage();
    fmt::print(
        "server ready, {} resident at most so far; sending over {} "
        "connections …\n",
        FormatByteSize(base.peak_bytes), options.connections);
    const auto port = static_cast<uint16_t>(4318 + options.port_offset);
    ASSIGN_OR_RETURN(const LoadResult load,
                     Load(corpus, port, options.connections));
    const ProcessUsage loaded = server->Usage();
    const ProcessUsage idle = WaitUntilIdle(*server);
    RETURN_IF_ERROR(server->Stop());
    PrintIngest(corpus, load, loaded, idle, base, DirectoryBytes(dir));
    return {};
  }();
  std::error_code ignored;
  if (own_dir) std::filesystem::remove_all(dir, ignored);
  std::filesystem::remove(log_path, ignored);
  return status;
}

void AddKeptDirFlag(Command& command, std::string* target) {
  command.Text("--data-dir", target,
               "Kept afterwards [a temporary one, removed]");
}

void AddCorpusFlags(Command& command, BenchOptions* options) {
  command
      .Text("--corpus", &options->corpus_file,
            "File of export requests, each behind its length as u32 "
            "little endian [demo traffic]")
      .TypeName("FILE");
  command.Number("--spans", &options->spans, "Spans of demo traffic")
      .ShowDefault()
      .Range(uint64_t{1000}, uint64_t{20'000'000});
  command
      .Number("--spans-per-request", &options->spans_per_request,
              "Of demo traffic")
      .ShowDefault()
      .Range(1, 100'000);
  command.Number("--seed", &options->seed, "Of demo traffic").ShowDefault();
}

int Finish(const Status& status) {
  if (status) return 0;
  fmt::print(stderr, "khtrace bench: {}\n", status.error().message);
  return 1;
}

void AddStoreBench(Command& bench) {
  auto corpus = std::make_shared<BenchOptions>();
  auto options = std::make_shared<BenchStoreOptions>();
  Command store = bench.Add(
      "store",
      "A trace store in this process: filling it, its size, opening it, traces "
      "by id");
  store
      .Text("--corpus", &corpus->corpus_file,
            "File of export requests, each behind its length as u32 "
            "little endian [at most 1 M spans of demo traffic]")
      .TypeName("FILE");
  store
      .Number("--spans", &options->spans,
              "To store: the corpus again and again, each time as new "
              "traces")
      .ShowDefault()
      .Range(uint64_t{1000}, uint64_t{10'000'000'000});
  store.Number("--lookups", &options->lookups, "Traces asked for by id")
      .ShowDefault()
      .Range(1, 1'000'000);
  AddKeptDirFlag(store, &options->data_dir);
  store.OnRun([corpus, options] {
    corpus->spans = std::min(corpus->spans, options->spans);
    return Finish([&]() -> Status {
      ASSIGN_OR_RETURN(const BenchCorpus made, CorpusOf(*corpus));
      PrintCorpus(made);
      return BenchStore(made, *options);
    }());
  });
}

void AddQueryBench(Command& bench) {
  auto options = std::make_shared<BenchQueryOptions>();
  Command query = bench.Add(
      "query", "TraceQL queries in this process over a store that is there");
  query
      .Text("--data-dir", &options->data_dir,
            "What `bench store --data-dir` has filled")
      .Required();
  query
      .Text("--queries", &options->queries,
            "File with a query a line, behind how many traces it asks "
            "for, or behind 'step' [some that go with demo traffic]")
      .TypeName("FILE");
  query.Number("--runs", &options->runs, "Of each query after the first")
      .ShowDefault()
      .Range(1, 10'000);
  query.OnRun([options] { return Finish(BenchQuery(*options)); });
}

void AddAnalysisBench(Command& bench) {
  auto options = std::make_shared<BenchAnalysisOptions>();
  Command analysis = bench.Add("analysis",
                               "Grades, bottlenecks, errors in this process "
                               "over a store that is there");
  analysis
      .Text("--data-dir", &options->data_dir,
            "What `bench store --data-dir` has filled")
      .Required();
  analysis
      .Text("--window", &options->window, "How far back from the newest span")
      .ShowDefault();
  analysis.Number("--runs", &options->runs, "Of each after the first")
      .ShowDefault()
      .Range(1, 10'000);
  analysis.OnRun([options] { return Finish(BenchAnalysis(*options)); });
}

}  // namespace

void AddBenchCommand(Command root) {
  Command bench = root.Add("bench", "Measure this build here");
  bench.RequireSubcommand();
  auto options = std::make_shared<BenchOptions>();

  Command decode = bench.Add(
      "decode",
      "OTLP protobuf to columns: spans a second of CPU time on one core");
  AddCorpusFlags(decode, options.get());
  decode.Number("--rounds", &options->rounds, "Times through the corpus")
      .ShowDefault()
      .Range(1, 1000);
  decode.OnRun([options] { return Finish(BenchDecode(*options)); });

  Command ingest =
      bench.Add("ingest",
                "A server of its own under load over OTLP/HTTP: spans a "
                "second, CPU, memory, disk");
  AddCorpusFlags(ingest, options.get());
  ingest.Number("--connections", &options->connections, "Sending at once")
      .ShowDefault()
      .Range(1, 256);
  AddKeptDirFlag(ingest, &options->data_dir);
  ingest
      .Number("--port-offset", &options->port_offset, "Of the measured server")
      .ShowDefault();
  ingest.Texts("--set", &options->sets, "Passed on to the server");
  AddStoreBench(bench);
  AddQueryBench(bench);
  AddAnalysisBench(bench);
  ingest.OnRun([options] { return Finish(BenchIngest(*options)); });
}

}  // namespace khtrace::app
