// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <string>

#include "base/text.h"

namespace khtrace {
namespace {

void BM_IsValidUtf8Ascii(benchmark::State& state) {
  const std::string text(static_cast<size_t>(state.range(0)), 'a');
  for (auto _ : state) benchmark::DoNotOptimize(IsValidUtf8(text));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_IsValidUtf8Ascii)->Arg(5)->Arg(12)->Arg(30)->Arg(1000);

void BM_IsValidUtf8Mixed(benchmark::State& state) {
  std::string text;
  while (text.size() < 1000) text += "größer, mais déjà là ";
  for (auto _ : state) benchmark::DoNotOptimize(IsValidUtf8(text));
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(text.size()));
}
BENCHMARK(BM_IsValidUtf8Mixed);

}  // namespace
}  // namespace khtrace
