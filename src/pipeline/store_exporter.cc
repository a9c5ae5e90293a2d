// SPDX-License-Identifier: Apache-2.0
#include "pipeline/store_exporter.h"

#include <algorithm>
#include <utility>

namespace khtrace::pipeline {
namespace {

const telemetry::Labels kLabels = {{"exporter", "khtrace_store"}};

uint64_t CountRoots(const model::SpanBatch& batch) {
  const auto& parents = batch.spans().parent_span_id;
  return static_cast<uint64_t>(
      std::count(parents.begin(), parents.end(), model::SpanId{}));
}

}  // namespace

StoreExporter::StoreExporter(storage::TraceWriter& writer,
                             telemetry::Registry& registry)
    : writer_(writer),
      sent_(registry.AddCounter("otelcol_exporter_sent_spans",
                                "Spans that the exporter's destination took",
                                kLabels)),
      failed_(registry.AddCounter("otelcol_exporter_send_failed_spans",
                                  "Spans that the destination refused",
                                  kLabels)),
      required_sent_(registry.AddCounter(
          "otel_collector_spans_exported_total",
          "Spans that every exporter's destination took", kLabels)),
      root_spans_(registry.AddCounter("jaeger_traces_received_total",
                                      "Traces received: their root spans")),
      traces_created_(
          registry.AddCounter("tempo_ingester_traces_created_total",
                              "Traces seen for the first time in a while",
                              {{"tenant", kDefaultTenant}})) {}

void StoreExporter::Consume(const RequestContext& context,
                            model::SpanBatchPtr batch, Done done) {
  const model::SpanBatchPtr stored = batch;
  writer_.Write(context, std::move(batch),
                [this, stored, done = std::move(done)](Status status) {
                  const uint64_t spans = stored->row_count();
                  if (status) {
                    sent_.Add(spans);
                    required_sent_.Add(spans);
                    root_spans_.Add(CountRoots(*stored));
                    traces_created_.Add(recent_traces_.Observe(*stored));
                  } else {
                    failed_.Add(spans);
                  }
                  done(std::move(status));
                });
}

}  // namespace khtrace::pipeline
