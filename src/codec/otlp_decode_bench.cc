// SPDX-License-Identifier: Apache-2.0
// OTLP <-> SpanBatch, in spans a second on one core. KHTRACE_CORPUS names a
// file of requests, each after its length (u32, little endian); without it a
// corpus of random spans is made, which is heavier than real traffic: every
// type of value, events and links on most spans.
#include <benchmark/benchmark.h>
#include <google/protobuf/arena.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "base/check.h"
#include "codec/otlp.h"
#include "model/testing.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

namespace khtrace::codec {
namespace {

using Request =
    opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;

// Enough to leave the caches, little enough to start quickly.
constexpr size_t kMaxRequests = 200;

std::vector<std::string> ReadCorpus(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::string> requests;
  uint32_t size = 0;
  while (requests.size() < kMaxRequests &&
         file.read(reinterpret_cast<char*>(&size), sizeof(size))) {
    requests.emplace_back(size, '\0');
    file.read(requests.back().data(), size);
  }
  KHTRACE_CHECK(!requests.empty());
  return requests;
}

std::vector<std::string> MakeCorpus() {
  std::vector<std::string> requests;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const model::SpanBatch batch =
        model::RandomBatchForTesting(seed, {.span_count = 1000});
    EncodeOtlpProtobuf(batch, &requests.emplace_back());
  }
  return requests;
}

const std::vector<std::string>& Corpus() {
  static const std::vector<std::string> corpus = [] {
    const char* path = std::getenv("KHTRACE_CORPUS");
    return path != nullptr ? ReadCorpus(path) : MakeCorpus();
  }();
  return corpus;
}

model::SpanBatch Decoded(const std::string& body) {
  return DecodeOtlpProtobuf(body)->batch;
}

const std::vector<std::string>& JsonCorpus() {
  static const std::vector<std::string> corpus = [] {
    std::vector<std::string> requests;
    for (const std::string& body : Corpus()) {
      std::string& json = requests.emplace_back("{\"resourceSpans\":");
      EncodeOtlpJson(Decoded(body), OtlpJsonStyle::kOtlp, &json);
      json += "}";
    }
    return requests;
  }();
  return corpus;
}

// Calls `handle`(body) -> spans for one request after the other. The body is
// copied outside of the time, as it comes from the network in real life.
template <typename Handle>
void Measure(benchmark::State& state, const std::vector<std::string>& corpus,
             Handle handle) {
  size_t next = 0;
  int64_t spans = 0;
  int64_t bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::string body = corpus[next];
    next = (next + 1) % corpus.size();
    bytes += static_cast<int64_t>(body.size());
    state.ResumeTiming();
    spans += handle(std::move(body));
  }
  state.SetItemsProcessed(spans);
  state.SetBytesProcessed(bytes);
}

void BM_DecodeProtobuf(benchmark::State& state) {
  Measure(state, Corpus(), [](std::string body) {
    return DecodeOtlpProtobuf(std::move(body))->batch.row_count();
  });
}
BENCHMARK(BM_DecodeProtobuf);

int64_t SpansOf(const Request& request) {
  int64_t spans = 0;
  for (const auto& resource_spans : request.resource_spans()) {
    for (const auto& scope_spans : resource_spans.scope_spans()) {
      spans += scope_spans.spans_size();
    }
  }
  return spans;
}

// What protobuf's own classes take for the same bytes, for comparison.
void BM_DecodeProtobufGenerated(benchmark::State& state) {
  Measure(state, Corpus(), [](std::string body) {
    Request request;
    KHTRACE_CHECK(request.ParseFromString(body));
    return SpansOf(request);
  });
}
BENCHMARK(BM_DecodeProtobufGenerated);

void BM_DecodeProtobufGeneratedOnArena(benchmark::State& state) {
  Measure(state, Corpus(), [](std::string body) {
    google::protobuf::Arena arena;
    auto* request = google::protobuf::Arena::CreateMessage<Request>(&arena);
    KHTRACE_CHECK(request->ParseFromString(body));
    return SpansOf(*request);
  });
}
BENCHMARK(BM_DecodeProtobufGeneratedOnArena);

void BM_DecodeJson(benchmark::State& state) {
  Measure(state, JsonCorpus(), [](std::string body) {
    return DecodeOtlpJson(body)->batch.row_count();
  });
}
BENCHMARK(BM_DecodeJson);

template <typename Encode>
void MeasureEncoder(benchmark::State& state, Encode encode) {
  std::vector<model::SpanBatch> batches;
  for (const std::string& body : Corpus()) batches.push_back(Decoded(body));
  size_t next = 0;
  int64_t spans = 0;
  int64_t bytes = 0;
  std::string out;
  for (auto _ : state) {
    const model::SpanBatch& batch = batches[next];
    next = (next + 1) % batches.size();
    out.clear();
    encode(batch, &out);
    spans += batch.row_count();
    bytes += static_cast<int64_t>(out.size());
  }
  state.SetItemsProcessed(spans);
  state.SetBytesProcessed(bytes);
}

void BM_EncodeProtobuf(benchmark::State& state) {
  MeasureEncoder(state, EncodeOtlpProtobuf);
}
BENCHMARK(BM_EncodeProtobuf);

void BM_EncodeJson(benchmark::State& state) {
  MeasureEncoder(state, [](const model::SpanBatch& batch, std::string* out) {
    EncodeOtlpJson(batch, OtlpJsonStyle::kOtlp, out);
  });
}
BENCHMARK(BM_EncodeJson);

}  // namespace
}  // namespace khtrace::codec
