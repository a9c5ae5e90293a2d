// SPDX-License-Identifier: Apache-2.0
#include "demo/workload.h"

#include "base/hash.h"

namespace khtrace::demo {

void Manifest::Add(const TraceSketch& trace) {
  ++traces;
  bool failed = false;
  for (const TraceSketch::Span& span : trace.spans) {
    Counts& counts = by_service[static_cast<size_t>(span.pod.service)];
    const bool error = span.status == model::StatusCode::kError;
    ++counts.spans;
    counts.errors += error ? 1 : 0;
    error_spans += error ? 1 : 0;
    failed |= error;
    for (uint32_t i = span.attributes.first; i != kNone;
         i = trace.attributes[i].next) {
      ++attributes;
      if (trace.attributes[i].key == "http.request.resend_count") ++resends;
    }
  }
  spans += trace.spans.size();
  error_traces += failed ? 1 : 0;
  events += trace.events.size();
  links += trace.links.size();
}

Workload::Workload(const WorkloadOptions& options) : options_(options) {
  for (const auto& group : {ShopScenarios(), KnowledgeScenarios()}) {
    for (const Scenario& scenario : group) {
      scenarios_.push_back(scenario);
      total_weight_ += scenario.weight;
    }
  }
}

const Scenario& Workload::PickScenario(Rng& rng) const {
  uint64_t draw = rng.Below(total_weight_);
  size_t i = 0;
  while (draw >= scenarios_[i].weight) draw -= scenarios_[i++].weight;
  return scenarios_[i];
}

const TraceSketch& Workload::NextTrace(UnixNanos start) {
  // The start is part of the ids: a second run with the same seed makes other
  // traces, not more spans of the first run's.
  Rng rng(Mix64(options_.seed) ^ Mix64(trace_index_ + 1) ^
          Mix64(start.ns ^ 0x6b68));
  ++trace_index_;
  sketch_.Clear();
  sketch_.start = start;
  sketch_.trace_id = {rng.Next(), rng.Next() | 1};
  Scene scene(rng, sketch_, options_.deployment_at);
  PickScenario(rng).play(scene, state_);
  manifest_.Add(sketch_);
  return sketch_;
}

}  // namespace khtrace::demo
