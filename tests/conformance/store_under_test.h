// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/span_batch.h"
#include "storage/trace_store.h"

// What the conformance suite needs of a backend beside the contract, and how
// it writes spans down.

namespace khtrace::conformance {

// An empty store of its own, and its life. Confined to one thread.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual storage::TraceStore& store() = 0;
  // Moves what is in memory to where it rests, if there is such a place.
  virtual void Flush() {}
  // Closes the store and opens it again on the same data. Only called if
  // capabilities().survives_restart.
  virtual void Reopen() {}
};

struct Backend {
  std::string name;
  std::unique_ptr<StoreUnderTest> (*make)();
};

// Every backend of this build; the first is the oracle.
std::vector<Backend> AllBackends();

// One span, written briefly.
struct SpanSpec {
  uint64_t trace = 1;  // low half of the trace id
  uint64_t span = 1;
  uint64_t parent = 0;
  uint64_t start_ms = 0;  // after kBase
  uint64_t duration_ms = 10;
  std::string_view service = "shop";
  std::string_view name = "op";
  model::SpanKind kind = model::SpanKind::kServer;
  model::StatusCode status = model::StatusCode::kUnset;
};

inline constexpr UnixNanos kBase{1'767'225'600'000'000'000};  // 2026-01-01
UnixNanos AtMillis(uint64_t ms);

model::SpanBatchPtr MakeBatch(std::initializer_list<SpanSpec> specs);

// Writes and waits for the answer.
Status WriteNow(storage::TraceStore& store, model::SpanBatchPtr batch,
                const std::string& tenant = kDefaultTenant);
RequestContext For(const std::string& tenant);

// Answers as text, so that two stores' answers compare in one line.
std::string DescribeTrace(storage::TraceStore& store, const model::TraceId& id);
std::string DescribeNames(storage::TraceStore& store);
std::string DescribeAggregates(storage::TraceStore& store,
                               const storage::AggregateRequest& request = {});
std::string DescribeKeys(storage::TraceStore& store, UnixNanos start = {},
                         UnixNanos end = UnixNanos::Max());
std::string DescribeDependencies(storage::TraceStore& store, UnixNanos start,
                                 UnixNanos end);

}  // namespace khtrace::conformance
