// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "pipeline/recent_traces.h"
#include "pipeline/span_consumer.h"
#include "storage/trace_store.h"
#include "telemetry/metrics.h"

namespace khtrace::pipeline {

// The exporter `khtrace_store`: hands batches to the trace store and counts
// what became of them, under the names of the Collector, Jaeger and Tempo.
// Thread-safe; borrows `writer`, which must outlive every Done.
class StoreExporter : public SpanConsumer {
 public:
  StoreExporter(storage::TraceWriter& writer, telemetry::Registry& registry);

  void Consume(const RequestContext& context, model::SpanBatchPtr batch,
               Done done) override;

 private:
  storage::TraceWriter& writer_;
  RecentTraces recent_traces_;
  telemetry::Counter& sent_;
  telemetry::Counter& failed_;
  telemetry::Counter& required_sent_;
  telemetry::Counter& root_spans_;
  telemetry::Counter& traces_created_;
};

}  // namespace khtrace::pipeline
