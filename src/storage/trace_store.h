// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/request_context.h"
#include "base/result.h"
#include "model/span_batch.h"
#include "storage/aggregate_request.h"
#include "storage/attribute_keys.h"
#include "storage/trace_frame.h"

// The contract between everything that stores spans and everything that asks
// for them. Backends: storage/memory (the oracle) and storage/columnar. One
// conformance suite (tests/conformance) holds them to it.
//
// Tenants: every call acts on RequestContext::tenant alone; a tenant without
// data is empty, not an error. kInvalidArgument for a name that
// ValidateTenant refuses.

namespace khtrace::storage {

class TraceWriter {
 public:
  virtual ~TraceWriter() = default;

  using Done = std::function<void(Status)>;
  // Stores every span of `batch`. `done` is called exactly once, from any
  // thread, perhaps before Write returns; it must be quick.
  // Success means: the spans are searchable now and survive a crash (with
  // the durability that the backend's options promise). A span that is there
  // already (same trace id, span id, kind and start) does not appear twice in
  // any answer, so a sender may retry.
  // kResourceExhausted: buffers full or disk full; nothing of the batch is
  // stored; retry later. kUnavailable: I/O error, likewise.
  virtual void Write(const RequestContext& context, model::SpanBatchPtr batch,
                     Done done) = 0;
};

struct Operation {
  std::string name;
  model::SpanKind kind = model::SpanKind::kUnspecified;

  auto operator<=>(const Operation&) const = default;
};

// Optional narrowing of a look-up by id; never makes an existing trace vanish
// if it is wrong by less than an hour.
struct TimeHint {
  UnixNanos start{0};
  UnixNanos end = UnixNanos::Max();
};

// Parent and child services and how often the one called the other: a span
// whose parent span (same trace) belongs to `parent`. Self-edges included.
struct DependencyEdge {
  std::string parent;
  std::string child;
  uint64_t call_count = 0;
};

struct StoreStats {
  uint64_t spans = 0;       // stored, duplicates included
  uint64_t disk_bytes = 0;  // 0 for memory backends
  uint64_t head_spans = 0;  // of them, not yet in a part
  uint64_t head_bytes = 0;  // memory held for them
  uint64_t wal_bytes = 0;
  uint64_t parts = 0;
  std::optional<UnixNanos> oldest;  // earliest span start
  std::optional<UnixNanos> newest;  // latest span start
};

// What a backend cannot do. The default is "everything": a new backend is
// tested in full until it excuses itself here.
struct Capabilities {
  bool survives_restart = true;
  bool many_tenants = true;
};

// All answers are snapshots: spans whose Write succeeded before the call are
// in, later ones may be. Calls may block on disk: run them on the CPU pool.
// Errors besides the ones named: what RequestContext::Check gives, kDataLoss
// when a corrupt part had to be left out and nothing else answers.
class TraceReader {
 public:
  virtual ~TraceReader() = default;

  // Every span of the trace, wherever it lies, once each, ordered by start,
  // then span id. kNotFound if there is none.
  virtual Result<model::SpanBatchPtr> GetTrace(const RequestContext& context,
                                               const model::TraceId& id,
                                               const TimeHint& hint = {}) = 0;

  // Distinct service names (resource attribute service.name; "" left out),
  // sorted.
  virtual Result<std::vector<std::string>> Services(
      const RequestContext& context) = 0;

  // Distinct (span name, kind) of a service, sorted.
  virtual Result<std::vector<Operation>> Operations(
      const RequestContext& context, std::string_view service) = 0;

  // Edges of the traces that start in the range, sorted by parent, child.
  virtual Result<std::vector<DependencyEdge>> Dependencies(
      const RequestContext& context, UnixNanos start, UnixNanos end) = 0;

  // Rates, errors, durations, edges, retries, error fingerprints and shares of
  // critical paths, as if every trace were looked at whole and every span
  // once, wherever their spans lie. kInvalidArgument: step_minutes is 0.
  // Of a duplicate with another content than the first, ErrorCell::first and
  // ::last, RedCell::slowest and ::sampled may still tell.
  virtual Result<aggregate::Partial> Aggregate(
      const RequestContext& context, const AggregateRequest& request) = 0;

  // Everything stored, for queries to go through. Spans that are the same
  // (see Write) are there once.
  virtual Result<std::unique_ptr<FrameScan>> Scan(
      const RequestContext& context, const FrameRequest& request) = 0;
  // Distinct keys of the attributes of spans with any time in [start, end],
  // of their events and links, scopes and resources. Perhaps those of other
  // spans as well: what is stored together is not told apart by time.
  virtual Result<AttributeKeys> Keys(const RequestContext& context,
                                     UnixNanos start, UnixNanos end) = 0;

  virtual Result<StoreStats> Stats(const RequestContext& context) = 0;
  virtual Capabilities capabilities() const { return {}; }
};

// Both sides and its life.
class TraceStore : public TraceWriter, public TraceReader {
 public:
  // Names of the tenants that have data, sorted.
  virtual std::vector<std::string> Tenants() = 0;
  // Writes what is only in memory to where it belongs; no Write may follow.
  virtual Status Close() = 0;
};

}  // namespace khtrace::storage
