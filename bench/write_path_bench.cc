// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "codec/otlp.h"
#include "model/span_batch_builder.h"
#include "model/testing.h"
#include "storage/columnar/batch_format.h"
#include "storage/columnar/head.h"
#include "storage/columnar/wal_format.h"

// What a request costs on its way from the decoder into the head, stage by
// stage, in spans a second:
//   KHTRACE_CORPUS=<file> write_path_bench
// The file holds export requests in protobuf, each behind its length as u32,
// little endian; the first 20 are taken. Without it random spans are, which
// are heavier than real ones.

namespace khtrace::storage::columnar {
namespace {

// A request was decoded just before, so its text is in a cache.
constexpr size_t kMaxRequests = 20;

std::vector<model::SpanBatch> LoadRequests(const char* path) {
  std::vector<model::SpanBatch> batches;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
      std::fopen(path, "rb"), std::fclose);
  uint32_t size = 0;
  while (file && batches.size() < kMaxRequests &&
         std::fread(&size, sizeof size, 1, file.get()) == 1) {
    std::string body(size, '\0');
    if (std::fread(body.data(), 1, size, file.get()) != size) break;
    auto decoded = codec::DecodeOtlpProtobuf(std::move(body));
    if (!decoded) break;
    batches.push_back(std::move(decoded->batch));
  }
  return batches;
}

const std::vector<model::SpanBatch>& Requests() {
  static const std::vector<model::SpanBatch> requests = [] {
    if (const char* path = std::getenv("KHTRACE_CORPUS")) {
      return LoadRequests(path);
    }
    std::vector<model::SpanBatch> random;
    for (uint64_t seed = 0; seed < 10; ++seed) {
      random.push_back(
          model::RandomBatchForTesting(seed, {.span_count = 1000}));
    }
    return random;
  }();
  return requests;
}

const std::vector<model::SpanBatchPtr>& CompactRequests() {
  static const std::vector<model::SpanBatchPtr> compact = [] {
    std::vector<model::SpanBatchPtr> batches;
    for (const model::SpanBatch& batch : Requests()) {
      batches.push_back(
          std::make_shared<const model::SpanBatch>(model::Compact(batch)));
    }
    return batches;
  }();
  return compact;
}

// Calls `handle` with one batch after the other.
template <typename Batches, typename Handle>
void Run(benchmark::State& state, const Batches& batches,
         const Handle& handle) {
  if (batches.empty()) return state.SkipWithError("the corpus is empty");
  size_t next = 0;
  int64_t spans = 0;
  for (auto _ : state) {
    spans += handle(batches[next]);
    next = (next + 1) % batches.size();
  }
  state.SetItemsProcessed(spans);
}

void BM_Compact(benchmark::State& state) {
  Run(state, Requests(), [](const model::SpanBatch& batch) {
    benchmark::DoNotOptimize(model::Compact(batch));
    return batch.row_count();
  });
}
BENCHMARK(BM_Compact);

void BM_EncodeBatch(benchmark::State& state) {
  Run(state, CompactRequests(), [](const model::SpanBatchPtr& batch) {
    benchmark::DoNotOptimize(EncodeBatch(*batch));
    return batch->row_count();
  });
}
BENCHMARK(BM_EncodeBatch);

// EncodeBatch, LZ4 and the checksum.
void BM_EncodeWalFrame(benchmark::State& state) {
  Run(state, CompactRequests(), [](const model::SpanBatchPtr& batch) {
    benchmark::DoNotOptimize(EncodeWalFrame(*batch));
    return batch->row_count();
  });
}
BENCHMARK(BM_EncodeWalFrame);

void BM_HeadBatch(benchmark::State& state) {
  Run(state, CompactRequests(), [](const model::SpanBatchPtr& batch) {
    benchmark::DoNotOptimize(HeadBatch(batch));
    return batch->row_count();
  });
}
BENCHMARK(BM_HeadBatch);

}  // namespace
}  // namespace khtrace::storage::columnar
