// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "aggregate/latency_histogram.h"
#include "aggregate/partial.h"
#include "aggregate/row_facts.h"
#include "aggregate/row_table.h"
#include "aggregate/span_facts.h"
#include "aggregate/trace_view.h"
#include "model/span_batch.h"

namespace khtrace::aggregate {

// Aggregates traces, one after the other. What is counted under which key:
// partial_rows.h. What it costs: docs/performance.md. Confined to one thread.
class PartialBuilder {
 public:
  // The batches of `trace` stay until Take() or ForgetBatches().
  void AddTrace(const TraceView& trace);
  void ForgetBatches() { row_facts_.ForgetBatches(); }
  // From elsewhere: texts in `trace`, and in what `details` tells, are numbers
  // that Intern() gave since the last Take().
  void AddTrace(const TraceFacts& trace, SpanDetails& details);
  TextId Intern(std::string_view text) { return partial_.Intern(text); }
  // All traces since the last Take().
  Partial Take();

 private:
  struct EdgeSums {
    uint64_t calls = 0;
    uint64_t caller_errors = 0;
    uint64_t callee_errors = 0;
    HistogramPool::Id caller = 0;
    HistogramPool::Id callee = 0;
  };
  struct RedSums {
    HistogramPool::Id durations = 0;
    uint64_t unsampled = 0;
    Slowest slowest;
    Sampled sampled;
    uint64_t sampled_hash = 0;  // of the trace id
  };
  struct CriticalSums {
    uint64_t nanos = 0;
    uint64_t traces = 0;
    uint64_t last_trace = 0;
  };
  // An outgoing span among its siblings.
  struct Attempt {
    TextId service;
    TextId operation;
    Target target;
    uint32_t row = 0;

    auto key() const {
      return std::tuple(service, operation, target.type, target.name,
                        target.address);
    }
  };

  const SpanFacts& span(uint32_t row) const { return trace_->spans[row]; }
  bool failed(uint32_t row) const {
    return span(row).status == model::StatusCode::kError;
  }
  template <typename Key>
  uint32_t Bucket(uint32_t row) const {
    if (Key::kMinutes == kBucketMinutes && one_bucket_) return bucket_;
    return BucketOf({trace_->starts[row]}, Key::kMinutes);
  }
  uint64_t Duration(uint32_t row) const {
    const uint64_t start = trace_->starts[row];
    const uint64_t end = trace_->ends[row];
    return end > start ? end - start : 0;
  }
  void Begin(const TraceFacts& trace, SpanDetails& details);
  RedKey RedKeyOf(uint32_t row) const;
  CriticalKey CriticalKeyOf(uint32_t row) const;
  void FetchRows();
  void AddRed();
  void AddCritical();
  // partial_builder_edges.cc
  void AddEdges();
  EdgeSums& Edge(const EdgeKey& key);
  void AddRetries();
  void AddRetriesBelow(uint32_t parent);
  void AddCalls(std::span<const Attempt> attempts);
  void AddCall(std::span<const Attempt> attempts, Target target);
  // partial_builder_errors.cc
  void AddErrors();
  void FindOrigins();
  void AddError(uint32_t row, const ErrorFacts& error);

  Partial partial_;
  HistogramPool histograms_;
  RowTable<RedKey, RedSums> red_;
  RowTable<EdgeKey, EdgeSums> edges_;
  RowTable<CriticalKey, CriticalSums> critical_;
  uint64_t traces_ = 0;
  RowFacts row_facts_;

  // The trace that is being added.
  const TraceFacts* trace_ = nullptr;
  SpanDetails* details_ = nullptr;
  // What it has: nothing is looked for that is not there.
  bool has_outgoing_ = false;
  bool has_failed_ = false;
  bool has_events_ = false;
  // The bucket of kBucketMinutes that all its spans are in, if there is one.
  bool one_bucket_ = false;
  uint32_t bucket_ = 0;
  // By row.
  std::vector<uint64_t> red_hashes_;
  std::vector<uint64_t> critical_hashes_;
  std::vector<uint8_t> failed_below_;
  std::vector<uint32_t> callee_;  // a client's first callee, or kNoRow
  std::vector<uint8_t> looked_below_;
  std::vector<Attempt> attempts_;
  std::vector<ErrorFacts> exceptions_;
};

// The aggregates of all traces in `batches`, each put together from all of
// them. Of equal spans the first one counts.
Partial AggregateBatches(std::span<const model::SpanBatchPtr> batches);

}  // namespace khtrace::aggregate
