// SPDX-License-Identifier: Apache-2.0
#include "pipeline/store_exporter.h"

#include <gtest/gtest.h>

#include <memory>

#include "model/span_batch_builder.h"

namespace khtrace::pipeline {
namespace {

// Answers every Write with the same status.
class FixedWriter : public storage::TraceWriter {
 public:
  explicit FixedWriter(Status status) : status_(std::move(status)) {}
  void Write(const RequestContext&, model::SpanBatchPtr, Done done) override {
    done(status_);
  }

 private:
  Status status_;
};

model::SpanBatchPtr Batch(std::initializer_list<uint64_t> traces) {
  model::SpanBatchBuilder builder;
  uint64_t id = 0;
  for (const uint64_t trace : traces) {
    for (const bool root : {true, false}) {
      model::SpanBatchBuilder::SpanFields fields;
      fields.trace_id = {0, trace};
      fields.span_id = {++id};
      if (!root) fields.parent_span_id = {id - 1};
      builder.AddSpan(fields);
    }
  }
  return std::make_shared<const model::SpanBatch>(builder.Build());
}

bool Contains(const telemetry::Registry& registry, const std::string& line) {
  return registry.RenderPrometheus().find(line + "\n") != std::string::npos;
}

TEST(StoreExporter, CountsSpansAndTracesThatTheStoreTook) {
  telemetry::Registry registry;
  FixedWriter writer{Status()};
  StoreExporter exporter(writer, registry);
  for (const auto& batch : {Batch({1, 2}), Batch({2, 3})}) {
    exporter.Consume({}, batch, [](Status status) { EXPECT_TRUE(status); });
  }
  EXPECT_TRUE(Contains(
      registry,
      "otel_collector_spans_exported_total{exporter=\"khtrace_store\"} 8"));
  EXPECT_TRUE(Contains(registry, "jaeger_traces_received_total 4"));
  EXPECT_TRUE(Contains(
      registry, "tempo_ingester_traces_created_total{tenant=\"default\"} 3"));
}

TEST(StoreExporter, PassesRefusalsOnAndCountsThemApart) {
  telemetry::Registry registry;
  FixedWriter writer{Status(Error{Code::kUnavailable, "disk"})};
  StoreExporter exporter(writer, registry);
  exporter.Consume({}, Batch({1}), [](Status status) {
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Code::kUnavailable);
  });
  EXPECT_TRUE(Contains(
      registry,
      "otelcol_exporter_send_failed_spans{exporter=\"khtrace_store\"} 2"));
  EXPECT_TRUE(Contains(
      registry,
      "otel_collector_spans_exported_total{exporter=\"khtrace_store\"} 0"));
}

}  // namespace
}  // namespace khtrace::pipeline
