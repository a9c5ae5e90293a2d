// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "demo/scenarios.h"
#include "demo/services.h"
#include "demo/trace_sketch.h"

// Traffic of a simulated knowledge-base shop: 21 services, lifelike shapes,
// faults, retries, a slow tail, and a deployment that makes one operation
// (knowledgehub-api's memory.search) about three times slower.

namespace khtrace::demo {

struct WorkloadOptions {
  // Same seed and same start times: the same spans to the bit.
  uint64_t seed = 42;
  // From here on knowledgehub-api runs its next version, pod by pod.
  UnixNanos deployment_at = UnixNanos::Max();
};

// What was made: the truth that answers are compared with.
struct Manifest {
  struct Counts {
    uint64_t spans = 0;
    uint64_t errors = 0;
  };
  uint64_t traces = 0;
  uint64_t spans = 0;
  uint64_t error_spans = 0;
  uint64_t error_traces = 0;
  uint64_t attributes = 0;  // on spans
  uint64_t events = 0;
  uint64_t links = 0;
  uint64_t resends = 0;  // spans with http.request.resend_count
  std::array<Counts, kServiceCount> by_service{};

  const Counts& of(ServiceId service) const {
    return by_service[static_cast<size_t>(service)];
  }
  void Add(const TraceSketch& trace);
};

// Makes one trace after the other. Confined to one thread.
class Workload {
 public:
  explicit Workload(const WorkloadOptions& options);

  // The next trace; its root starts at `start`. Valid until the next call.
  const TraceSketch& NextTrace(UnixNanos start);
  const Manifest& manifest() const { return manifest_; }

 private:
  const Scenario& PickScenario(Rng& rng) const;

  WorkloadOptions options_;
  std::vector<Scenario> scenarios_;
  uint64_t total_weight_ = 0;
  uint64_t trace_index_ = 0;
  ShopState state_;
  TraceSketch sketch_;
  Manifest manifest_;
};

}  // namespace khtrace::demo
