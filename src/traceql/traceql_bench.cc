// SPDX-License-Identifier: Apache-2.0
// Text to checked tree, for one query. A server does it once a request, next
// to work of milliseconds.
#include <benchmark/benchmark.h>

#include <string>

#include "base/check.h"
#include "traceql/checker.h"
#include "traceql/parser.h"
#include "traceql/printer.h"

namespace khtrace::traceql {
namespace {

constexpr std::string_view kSearch =
    "{ resource.service.name = \"checkout\" && span.http.response.status_code "
    ">= 500 && duration > 250ms } >> { kind = client && status = error } "
    "| by(resource.service.name) | count() > 3 | select(span.url.full, name)";
constexpr std::string_view kMetrics =
    "({ status = error } | rate() by (resource.service.name)) / ({ } | rate() "
    "by (resource.service.name)) * 100 > 5 with(sample=true)";

void Parse(benchmark::State& state, std::string_view text) {
  for (auto _ : state) {
    auto query = ParseQuery(text);
    benchmark::DoNotOptimize(query);
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(text.size()));
}

void BM_ParseSearch(benchmark::State& state) { Parse(state, kSearch); }
BENCHMARK(BM_ParseSearch);

void BM_ParseMetrics(benchmark::State& state) { Parse(state, kMetrics); }
BENCHMARK(BM_ParseMetrics);

// The longest text that is accepted, nearly all of it conditions.
void BM_ParseLongest(benchmark::State& state) {
  const std::string filter = "{ .attribute.name = \"value\" } | ";
  std::string text;
  while (text.size() + filter.size() + 3 < ParseLimits().max_bytes) {
    text += filter;
  }
  Parse(state, text + "{ }");
}
BENCHMARK(BM_ParseLongest);

void BM_CheckSearch(benchmark::State& state) {
  const auto query = ParseQuery(kSearch);
  KHTRACE_CHECK(query.has_value());
  for (auto _ : state) benchmark::DoNotOptimize(CheckQuery(*query));
}
BENCHMARK(BM_CheckSearch);

void BM_PrintSearch(benchmark::State& state) {
  const auto query = ParseQuery(kSearch);
  KHTRACE_CHECK(query.has_value());
  for (auto _ : state) benchmark::DoNotOptimize(Print(*query));
}
BENCHMARK(BM_PrintSearch);

}  // namespace
}  // namespace khtrace::traceql
