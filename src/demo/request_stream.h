// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "demo/workload.h"
#include "model/span_batch.h"
#include "model/span_batch_builder.h"

namespace khtrace::demo {

// Collects traces into one batch, with every pod's resource and scopes once.
// Confined to one thread.
class BatchAssembler {
 public:
  // All spans of `trace`, or those of one service: `only` picks it, `except`
  // leaves it out.
  void Add(const TraceSketch& trace);
  void AddService(const TraceSketch& trace, ServiceId only);
  void AddAllBut(const TraceSketch& trace, ServiceId except);

  uint32_t span_count() const { return builder_.row_count(); }
  // The batch; the assembler is empty afterwards.
  model::SpanBatch Take();

 private:
  uint32_t ResourceOf(Pod pod);
  uint32_t ScopeOf(Pod pod, ScopeId scope);
  void AddSpan(const TraceSketch& trace, const TraceSketch::Span& span);

  model::SpanBatchBuilder builder_;
  std::vector<uint32_t> resources_;  // by pod: index + 1, 0 = not there yet
  std::vector<uint32_t> scopes_;     // by pod and scope, likewise
};

struct RequestStreamOptions {
  WorkloadOptions workload{};
  // When the first trace starts.
  UnixNanos start{};
  // Offered load: sets how far traces lie apart (with jitter).
  double spans_per_second = 1000;
  // A request is complete once it holds this many spans.
  uint32_t spans_per_request = 1000;
  // Share of traces of which one service's spans come with the next request,
  // as they do when every service has an exporter of its own.
  double late_share = 0.08;
};

// The workload as collectors send it: in requests of about the same size.
// Confined to one thread.
class RequestStream {
 public:
  explicit RequestStream(const RequestStreamOptions& options);

  // The next request. Endless.
  model::SpanBatch Next();
  // Hands out what is begun: call it until the batch is empty.
  model::SpanBatch Finish();
  // When the next trace will start: how far the stream has come.
  UnixNanos position() const { return position_; }
  uint32_t pending_spans() const {
    return current_.span_count() + next_.span_count();
  }
  // Adds one trace to what is begun.
  void AddTrace();
  const Manifest& manifest() const { return workload_.manifest(); }

 private:
  RequestStreamOptions options_;
  Workload workload_;
  Rng rng_;
  UnixNanos position_;
  BatchAssembler current_;
  BatchAssembler next_;
};

}  // namespace khtrace::demo
