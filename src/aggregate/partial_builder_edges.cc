// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <tuple>

#include "aggregate/partial_builder.h"

// Who calls whom, and what is called again after an error.

namespace khtrace::aggregate {
namespace {

using model::SpanKind;

bool IsIncoming(SpanKind kind) {
  return kind == SpanKind::kServer || kind == SpanKind::kConsumer;
}

}  // namespace

PartialBuilder::EdgeSums& PartialBuilder::Edge(const EdgeKey& key) {
  return edges_.Get(key, [&](EdgeSums* added) {
    added->caller = histograms_.New();
    added->callee = histograms_.New();
  });
}

void PartialBuilder::AddEdges() {
  const std::span<const uint32_t> parents = trace_->tree->parents();
  const auto n = static_cast<uint32_t>(parents.size());
  if (has_outgoing_) callee_.assign(n, kNoRow);
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t parent = parents[i];
    if (parent == kNoRow) continue;
    const SpanFacts& above = span(parent);
    const SpanFacts& facts = span(i);
    const bool outgoing = IsOutgoing(above.kind);
    const bool call =
        above.service != facts.service || (outgoing && IsIncoming(facts.kind));
    if (!call) continue;
    const bool async =
        above.kind == SpanKind::kProducer || facts.kind == SpanKind::kConsumer;
    EdgeSums& edge = Edge({above.service,
                           {TargetType::kService, facts.service, {}},
                           async,
                           Bucket<EdgeKey>(i)});
    ++edge.calls;
    edge.callee_errors += failed(i);
    histograms_.Add(edge.callee, Duration(i));
    if (!outgoing) continue;
    edge.caller_errors += failed(parent);
    histograms_.Add(edge.caller, Duration(parent));
    if (callee_[parent] == kNoRow) callee_[parent] = i;
  }
  if (!has_outgoing_) return;
  for (uint32_t i = 0; i < n; ++i) {
    const SpanFacts& facts = span(i);
    if (!IsOutgoing(facts.kind) || callee_[i] != kNoRow) continue;
    EdgeSums& edge =
        Edge({facts.service, details_->TargetOf(i),
              facts.kind == SpanKind::kProducer, Bucket<EdgeKey>(i)});
    ++edge.calls;
    edge.caller_errors += failed(i);
    histograms_.Add(edge.caller, Duration(i));
  }
}

void PartialBuilder::AddRetries() {
  if (!has_outgoing_ || !has_failed_) return;
  const std::span<const uint32_t> parents = trace_->tree->parents();
  looked_below_.assign(parents.size(), 0);
  for (uint32_t i = 0; i < parents.size(); ++i) {
    const uint32_t parent = parents[i];
    if (!failed(i) || !IsOutgoing(span(i).kind) || parent == kNoRow) continue;
    if (looked_below_[parent] == 0) AddRetriesBelow(parent);
    looked_below_[parent] = 1;
  }
}

void PartialBuilder::AddRetriesBelow(uint32_t parent) {
  attempts_.clear();
  for (const uint32_t row : trace_->tree->children(parent)) {
    const SpanFacts& facts = span(row);
    if (!IsOutgoing(facts.kind)) continue;
    attempts_.push_back(
        {facts.service, facts.name, details_->TargetOf(row), row});
  }
  if (attempts_.size() < 2) return;
  std::sort(attempts_.begin(), attempts_.end(),
            [](const Attempt& a, const Attempt& b) {
              const auto left = a.key();
              const auto right = b.key();
              return left != right ? left < right : a.row < b.row;
            });
  for (auto begin = attempts_.begin(); begin != attempts_.end();) {
    const auto end = std::find_if(
        begin, attempts_.end(),
        [&](const Attempt& attempt) { return attempt.key() != begin->key(); });
    AddCalls({begin, end});
    begin = end;
  }
}

// A call ends with its first attempt that has no error.
void PartialBuilder::AddCalls(std::span<const Attempt> attempts) {
  Target target = attempts.front().target;
  for (const Attempt& attempt : attempts) {
    const uint32_t callee = callee_[attempt.row];
    if (callee == kNoRow) continue;
    target = {TargetType::kService, span(callee).service, {}};
    break;
  }
  size_t first = 0;
  for (size_t i = 0; i < attempts.size(); ++i) {
    const bool last = i + 1 == attempts.size();
    if (!last && failed(attempts[i].row)) continue;
    AddCall(attempts.subspan(first, i + 1 - first), target);
    first = i + 1;
  }
}

void PartialBuilder::AddCall(std::span<const Attempt> attempts, Target target) {
  if (attempts.size() < 2) return;
  const Attempt& first = attempts.front();
  RetryCell& cell = partial_.retries[{first.service, first.operation, target,
                                      Bucket<RetryKey>(first.row)}];
  ++cell.calls;
  cell.attempts.Add(attempts.size());
  cell.recovered += !failed(attempts.back().row);
  for (size_t i = 1; i < attempts.size(); ++i) {
    const uint64_t ended = std::max(trace_->starts[attempts[i - 1].row],
                                    trace_->ends[attempts[i - 1].row]);
    const uint64_t begins = trace_->starts[attempts[i].row];
    if (begins < ended) {
      ++cell.hedges;
      continue;
    }
    ++cell.retries;
    cell.back_off.Add(begins - ended);
  }
}

}  // namespace khtrace::aggregate
