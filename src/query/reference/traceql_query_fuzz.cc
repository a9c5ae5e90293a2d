// SPDX-License-Identifier: Apache-2.0
// The whole path of a query: a store and queries made of the input's bytes,
// run over frames, must have the answers of the reference evaluation.
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <utility>

#include "query/metrics.h"
#include "query/reference/random_query.h"
#include "query/reference/reference.h"
#include "query/search.h"
#include "storage/memory/memory_store.h"
#include "traceql/printer.h"

namespace {

namespace model = khtrace::model;
namespace query = khtrace::query;
namespace storage = khtrace::storage;
namespace traceql = khtrace::traceql;
using khtrace::Result;
using khtrace::Status;
using query::reference::ByteSource;

constexpr int kQueries = 4;

template <typename R>
void Compare(const traceql::Query& query, const Result<R>& expected,
             const Result<R>& actual, bool must_answer) {
  std::string difference;
  if (!actual) {
    // More traces may be looked at than are shown, and one of them may fail.
    if (must_answer) difference = actual.error().message;
  } else if (!expected) {
    difference = "answered, expected: " + expected.error().message;
  } else {
    difference = query::reference::Difference(*expected, *actual);
  }
  if (difference.empty()) return;
  fmt::print(stderr, "{}\n{}\n", traceql::Print(query), difference);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteSource bytes(std::span(data, size));
  const auto traces = query::reference::RandomStore(bytes);
  storage::memory::MemoryStore store;
  for (const model::SpanBatchPtr& trace : traces) {
    store.Write({}, trace, [](Status status) {
      if (!status) std::abort();
    });
  }
  for (int i = 0; i < kQueries && !bytes.exhausted(); ++i) {
    const traceql::Query search = query::reference::RandomSearchQuery(bytes);
    query::SearchRequest request = query::reference::RandomSearchRequest(bytes);
    request.query = &search;
    query::SearchRequest everything;
    everything.query = &search;
    everything.limit = traces.size() + 1;
    everything.judge = request.judge;
    Compare(search, query::reference::Search(traces, request),
            query::Search(store, {}, request),
            query::reference::Search(traces, everything).has_value());

    const traceql::Query metrics = query::reference::RandomMetricsQuery(bytes);
    query::MetricsRequest range = query::reference::RandomMetricsRequest(bytes);
    range.query = &metrics;
    query::MetricsRequest whole = range;
    whole.start = {query::reference::kRandomStoreStart.ns - 60'000'000'000};
    whole.end = {whole.start.ns + 200'000'000'000};
    Compare(metrics, query::reference::RunMetrics(traces, range),
            query::RunMetrics(store, {}, range),
            query::reference::RunMetrics(traces, whole).has_value());
  }
  return 0;
}
