// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include "demo/request_stream.h"

namespace khtrace::demo {
namespace {

void BM_MakeRequests(benchmark::State& state) {
  RequestStream stream({.start = {1'767'225'600'000'000'000}});
  int64_t spans = 0;
  for (auto _ : state) spans += stream.Next().row_count();
  state.SetItemsProcessed(spans);
}
BENCHMARK(BM_MakeRequests)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace khtrace::demo
