// SPDX-License-Identifier: Apache-2.0
#include "aggregate/partial_builder.h"

#include <algorithm>
#include <utility>

namespace khtrace::aggregate {

using model::RowRef;

void PartialBuilder::Begin(const TraceFacts& trace, SpanDetails& details) {
  trace_ = &trace;
  details_ = &details;
  ++traces_;
  has_outgoing_ = false;
  has_failed_ = false;
  has_events_ = false;
  for (const SpanFacts& facts : trace.spans) {
    has_outgoing_ |= IsOutgoing(facts.kind);
    has_failed_ |= facts.status == model::StatusCode::kError;
    has_events_ |= facts.has_events;
  }
  // Rows are in order of start.
  bucket_ = BucketOf({trace.starts.front()}, kBucketMinutes);
  one_bucket_ = bucket_ == BucketOf({trace.starts.back()}, kBucketMinutes);
}

void PartialBuilder::AddTrace(const TraceFacts& trace, SpanDetails& details) {
  if (trace.spans.empty()) return;
  Begin(trace, details);
  FetchRows();
  AddRed();
  AddCritical();
  AddEdges();
  AddRetries();
  AddErrors();
}

void PartialBuilder::AddTrace(const TraceView& trace) {
  AddTrace({trace.id, row_facts_.Read(trace, &partial_), trace.starts,
            trace.ends, trace.tree, trace.root, trace.critical},
           row_facts_);
}

RedKey PartialBuilder::RedKeyOf(uint32_t row) const {
  const SpanFacts& facts = span(row);
  return {facts.service,
          facts.name,
          static_cast<uint8_t>(facts.kind),
          static_cast<uint8_t>(facts.status),
          facts.trait,
          Bucket<RedKey>(row)};
}

CriticalKey PartialBuilder::CriticalKeyOf(uint32_t row) const {
  const SpanFacts& root = span(trace_->root);
  return {root.service, root.name, span(row).service, span(row).name,
          Bucket<CriticalKey>(trace_->root)};
}

// The tables of a part are larger than the caches close by: all that a trace
// needs of them is fetched together.
void PartialBuilder::FetchRows() {
  const auto n = static_cast<uint32_t>(trace_->spans.size());
  red_hashes_.resize(n);
  critical_hashes_.resize(n);
  const bool critical = trace_->root != kNoRow;
  for (uint32_t i = 0; i < n; ++i) {
    red_hashes_[i] = KeyHash{}(RedKeyOf(i));
    red_.FetchSlot(red_hashes_[i]);
    if (!critical || trace_->critical[i] == 0) continue;
    critical_hashes_[i] = KeyHash{}(CriticalKeyOf(i));
    critical_.FetchSlot(critical_hashes_[i]);
  }
  for (uint32_t i = 0; i < n; ++i) {
    red_.FetchRow(red_hashes_[i]);
    if (critical && trace_->critical[i] != 0) {
      critical_.FetchRow(critical_hashes_[i]);
    }
  }
}

void PartialBuilder::AddRed() {
  const uint64_t trace_hash = model::TraceIdHash{}(trace_->id);
  for (uint32_t i = 0; i < trace_->spans.size(); ++i) {
    const SpanFacts& facts = span(i);
    RedSums& sums = red_.Get(RedKeyOf(i), red_hashes_[i], [&](RedSums* added) {
      added->durations = histograms_.New();
    });
    const uint64_t duration = Duration(i);
    histograms_.Add(sums.durations, duration);
    sums.unsampled += facts.unsampled;
    // Most are neither: the first comparison says so.
    const Slowest slowest{duration, trace_->id};
    if (duration >= sums.slowest.duration && slowest.Before(sums.slowest)) {
      sums.slowest = slowest;
    }
    const Sampled sampled{duration, trace_->id};
    if ((sums.sampled.empty() || trace_hash <= sums.sampled_hash) &&
        sampled.Before(sums.sampled)) {
      sums.sampled = sampled;
      sums.sampled_hash = trace_hash;
    }
  }
}

void PartialBuilder::AddCritical() {
  if (trace_->root == kNoRow) return;
  for (uint32_t i = 0; i < trace_->spans.size(); ++i) {
    if (trace_->critical[i] == 0) continue;
    CriticalSums& sums = critical_.Get(CriticalKeyOf(i), critical_hashes_[i],
                                       [](CriticalSums*) {});
    sums.nanos += trace_->critical[i];
    sums.traces += sums.last_trace != traces_;
    sums.last_trace = traces_;
  }
}

Partial PartialBuilder::Take() {
  std::vector<LatencyHistogram> histograms = histograms_.Take();
  partial_.red.reserve(red_.rows().size());
  for (const auto& [key, sums] : red_.rows()) {
    partial_.red.emplace(
        key, RedCell{std::move(histograms[sums.durations]), sums.unsampled,
                     sums.slowest, sums.sampled});
  }
  partial_.edges.reserve(edges_.rows().size());
  for (const auto& [key, sums] : edges_.rows()) {
    partial_.edges.emplace(
        key, EdgeCell{sums.calls, sums.caller_errors, sums.callee_errors,
                      std::move(histograms[sums.caller]),
                      std::move(histograms[sums.callee])});
  }
  partial_.critical.reserve(critical_.rows().size());
  for (const auto& [key, sums] : critical_.rows()) {
    partial_.critical.emplace(key, CriticalCell{sums.nanos, sums.traces});
  }
  red_.Clear();
  edges_.Clear();
  critical_.Clear();
  ForgetBatches();
  return std::exchange(partial_, Partial());
}

Partial AggregateBatches(std::span<const model::SpanBatchPtr> batches) {
  std::vector<RowRef> rows;
  for (const model::SpanBatchPtr& batch : batches) {
    for (model::RowIndex row = 0; row < batch->row_count(); ++row) {
      rows.push_back({batch.get(), row});
    }
  }
  const auto trace_of = [](const RowRef& ref) -> const model::TraceId& {
    return ref.batch->spans().trace_id[ref.row];
  };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const RowRef& a, const RowRef& b) {
                     return trace_of(a) < trace_of(b);
                   });
  PartialBuilder builder;
  TraceLinker linker;
  for (auto begin = rows.begin(); begin != rows.end();) {
    const auto end = std::find_if(begin, rows.end(), [&](const RowRef& ref) {
      return trace_of(ref) != trace_of(*begin);
    });
    builder.AddTrace(linker.Link({begin, end}));
    begin = end;
  }
  return builder.Take();
}

}  // namespace khtrace::aggregate
