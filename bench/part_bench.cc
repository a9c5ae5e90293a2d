// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/temp_dir.h"
#include "codec/otlp.h"
#include "model/span_batch_builder.h"
#include "storage/columnar/part.h"

// Writes and reads one part made of a corpus of OTLP requests:
//   KHTRACE_CORPUS=<file> part_bench
// The file holds export requests in protobuf, each behind its length as u32,
// little endian. Without it nothing is measured. Before the figures of Google
// Benchmark comes a table of bytes per span and column.

namespace khtrace::storage::columnar {
namespace {

using model::SpanBatch;
using model::SpanBatchPtr;

std::vector<SpanBatchPtr> LoadBatches(const char* path) {
  std::vector<SpanBatchPtr> batches;
  std::FILE* file = std::fopen(path, "rb");
  if (file == nullptr) return batches;
  uint32_t size = 0;
  while (std::fread(&size, sizeof size, 1, file) == 1) {
    std::string body(size, '\0');
    if (std::fread(body.data(), 1, size, file) != size) break;
    auto decoded = codec::DecodeOtlpProtobuf(std::move(body));
    if (!decoded) break;
    batches.push_back(
        std::make_shared<const SpanBatch>(model::Compact(decoded->batch)));
  }
  std::fclose(file);
  return batches;
}

struct Corpus {
  TempDirForTesting dir;
  std::vector<SpanBatchPtr> batches;
  std::vector<model::TraceId> ids;
  std::shared_ptr<const Part> part;
};

void PrintColumns(const Part& part) {
  std::vector<ColumnInfo> columns = part.Columns();
  std::sort(columns.begin(), columns.end(),
            [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  const auto spans = static_cast<double>(part.info().span_count);
  uint64_t sum = 0;
  fmt::print("{:>9} {:>10} {:>10}  column\n", "B/span", "values", "B/value");
  for (const ColumnInfo& c : columns) {
    sum += c.bytes;
    const double bytes = static_cast<double>(c.bytes);
    if (bytes / spans < 0.02) continue;
    fmt::print("{:>9.3f} {:>10} {:>10.3f}  {}.{} {} ({})\n", bytes / spans,
               c.values,
               bytes / static_cast<double>(std::max<uint64_t>(1, c.values)),
               c.table, c.name, c.type, c.encoding);
  }
  const auto total = static_cast<double>(part.info().file_bytes);
  fmt::print("{:>9.3f} footer and header\n",
             (total - static_cast<double>(sum)) / spans);
  fmt::print("{:>9.3f} in all, {} spans, {} traces\n", total / spans,
             part.info().span_count, part.info().trace_count);
}

// Null without a corpus.
Corpus* TheCorpus() {
  static Corpus* const corpus = []() -> Corpus* {
    const char* path = std::getenv("KHTRACE_CORPUS");
    if (path == nullptr) return nullptr;
    static Corpus loaded;
    loaded.batches = LoadBatches(path);
    if (loaded.batches.empty()) return nullptr;
    const std::string file = loaded.dir.File("bench.part");
    if (!WritePart(Fs::Real(), file, loaded.batches, {})) return nullptr;
    auto part = Part::Open(Fs::Real(), file);
    if (!part) return nullptr;
    loaded.part = *part;
    std::map<model::TraceId, int> ids;
    for (const auto& batch : loaded.batches) {
      for (const model::TraceId& id : batch->spans().trace_id) ids[id] = 1;
    }
    for (const auto& [id, one] : ids) loaded.ids.push_back(id);
    std::shuffle(loaded.ids.begin(), loaded.ids.end(), std::mt19937_64(1));
    PrintColumns(*loaded.part);
    return &loaded;
  }();
  return corpus;
}

void BM_WritePart(benchmark::State& state) {
  Corpus* corpus = TheCorpus();
  if (corpus == nullptr) return state.SkipWithError("no KHTRACE_CORPUS");
  const std::string file = corpus->dir.File("again.part");
  PartWriteOptions options;
  options.aggregates = state.range(0) != 0;
  for (auto _ : state) {
    (void)WritePart(Fs::Real(), file, corpus->batches, {}, options);
  }
  state.SetItemsProcessed(
      state.iterations() *
      static_cast<int64_t>(corpus->part->info().span_count));
}
BENCHMARK(BM_WritePart)
    ->ArgName("aggregates")
    ->Arg(0)
    ->Arg(1)
    ->Unit(benchmark::kMillisecond);

void BM_ReadAll(benchmark::State& state) {
  Corpus* corpus = TheCorpus();
  if (corpus == nullptr) return state.SkipWithError("no KHTRACE_CORPUS");
  for (auto _ : state) {
    (void)corpus->part->ForEachBatch(
        {}, [](const SpanBatchPtr&) { return Status(); });
  }
  state.SetItemsProcessed(
      state.iterations() *
      static_cast<int64_t>(corpus->part->info().span_count));
}
BENCHMARK(BM_ReadAll)->Unit(benchmark::kMillisecond);

// The part's aggregates alone: once read, and a hundred merged.
void BM_ReadAggregates(benchmark::State& state) {
  Corpus* corpus = TheCorpus();
  if (corpus == nullptr) return state.SkipWithError("no KHTRACE_CORPUS");
  for (auto _ : state) {
    benchmark::DoNotOptimize(corpus->part->ReadAggregates({}));
  }
}
BENCHMARK(BM_ReadAggregates)->Unit(benchmark::kMillisecond);

void BM_MergeAggregates(benchmark::State& state) {
  Corpus* corpus = TheCorpus();
  if (corpus == nullptr) return state.SkipWithError("no KHTRACE_CORPUS");
  const auto own = corpus->part->ReadAggregates({});
  if (!own || !*own) return state.SkipWithError("no aggregates");
  for (auto _ : state) {
    aggregate::Partial sum;
    for (int i = 0; i < 100; ++i) {
      sum.Merge(**own, {.step_minutes = static_cast<uint32_t>(state.range(0))});
    }
    benchmark::DoNotOptimize(sum.red.size());
  }
}
BENCHMARK(BM_MergeAggregates)
    ->ArgName("step_minutes")
    ->Arg(5)
    ->Arg(1 << 30)
    ->Unit(benchmark::kMillisecond);

// Percentiles as counters, in microseconds.
template <typename Ask>
void MeasureEach(benchmark::State& state, Ask ask) {
  std::vector<double> micros;
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    ask();
    const std::chrono::duration<double, std::micro> took =
        std::chrono::steady_clock::now() - begin;
    micros.push_back(took.count());
  }
  std::sort(micros.begin(), micros.end());
  state.counters["p50_us"] = micros[micros.size() / 2];
  state.counters["p95_us"] = micros[micros.size() * 95 / 100];
}

void BM_GetTrace(benchmark::State& state) {
  Corpus* corpus = TheCorpus();
  if (corpus == nullptr) return state.SkipWithError("no KHTRACE_CORPUS");
  const bool missing = state.range(0) != 0;
  size_t next = 0;
  MeasureEach(state, [&] {
    model::TraceId id = corpus->ids[next++ % corpus->ids.size()];
    id.low += missing;
    benchmark::DoNotOptimize(corpus->part->GetTrace({}, id));
  });
}
BENCHMARK(BM_GetTrace)->ArgName("missing")->Arg(0)->Arg(1)->Iterations(20'000);

}  // namespace
}  // namespace khtrace::storage::columnar

BENCHMARK_MAIN();
