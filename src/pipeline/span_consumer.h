// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "base/request_context.h"
#include "base/result.h"
#include "model/span_batch.h"

namespace khtrace::pipeline {

// A place where spans go next: a processor, a fan-out, an exporter. Receivers
// hold the first one. Thread-safe.
class SpanConsumer {
 public:
  virtual ~SpanConsumer() = default;

  using Done = std::function<void(Status)>;
  // Takes over `batch`. `done` is called exactly once, from any thread,
  // perhaps before Consume returns: success means that every exporter took
  // it (for the store: durable and searchable). kResourceExhausted and
  // kUnavailable ask the sender to retry; any other error is final.
  virtual void Consume(const RequestContext& context, model::SpanBatchPtr batch,
                       Done done) = 0;
};

}  // namespace khtrace::pipeline
