// SPDX-License-Identifier: Apache-2.0
#include "analysis/call_sample.h"

#include <algorithm>
#include <map>

namespace khtrace::analysis {

constexpr size_t kCallsOfTrace = 10;

CallSample::CallSample(std::string_view service, std::string_view operation,
                       std::span<const model::SpanBatchPtr> traces) {
  for (const model::SpanBatchPtr& batch : traces) {
    const LinkedTrace& trace = traces_.emplace_back(*batch);
    size_t found = 0;
    for (uint32_t i = 0; i < trace.size() && found < kCallsOfTrace; ++i) {
      if (trace.service(i) != service || trace.name(i) != operation) continue;
      calls_.push_back({&trace, i});
      ++found;
    }
  }
}

uint64_t CoveredNanos(const LinkedTrace& trace, std::vector<uint32_t> spans,
                      uint32_t within) {
  std::sort(spans.begin(), spans.end(), [&trace](uint32_t a, uint32_t b) {
    return trace.start(a) < trace.start(b);
  });
  uint64_t covered = 0;
  uint64_t until = trace.start(within);
  for (const uint32_t span : spans) {
    const uint64_t begin = std::max(until, trace.start(span));
    const uint64_t end = std::min(trace.end(within), trace.end(span));
    if (end <= begin) continue;
    covered += end - begin;
    until = end;
  }
  return covered;
}

std::vector<ChildShare> SharesOfChildren(const CallSample& sample,
                                         double* self_share) {
  struct Sums {
    uint64_t calls = 0;
    uint64_t nanos = 0;
  };
  using Name = std::pair<std::string_view, std::string_view>;
  std::map<Name, Sums> children;
  uint64_t all = 0;
  uint64_t covered = 0;
  for (const Call& call : sample.calls()) {
    const LinkedTrace& trace = *call.trace;
    const auto below = trace.children(call.i);
    all += call.duration();
    covered += CoveredNanos(trace, {below.begin(), below.end()}, call.i);
    std::map<Name, std::vector<uint32_t>> groups;
    for (const uint32_t child : below) {
      groups[{trace.service(child), trace.name(child)}].push_back(child);
    }
    for (auto& [name, members] : groups) {
      Sums& sums = children[name];
      sums.calls += members.size();
      sums.nanos += CoveredNanos(trace, std::move(members), call.i);
    }
  }
  std::vector<ChildShare> shares;
  const auto calls = static_cast<double>(sample.calls().size());
  for (const auto& [name, sums] : children) {
    ChildShare share;
    share.service = name.first;
    share.operation = name.second;
    share.calls_per_call = static_cast<double>(sums.calls) / calls;
    share.mean_nanos = static_cast<double>(sums.nanos) / calls;
    if (all > 0) {
      share.share = static_cast<double>(sums.nanos) / static_cast<double>(all);
    }
    shares.push_back(std::move(share));
  }
  std::stable_sort(shares.begin(), shares.end(),
                   [](const ChildShare& a, const ChildShare& b) {
                     return a.mean_nanos > b.mean_nanos;
                   });
  *self_share =
      all > 0 ? 1 - static_cast<double>(covered) / static_cast<double>(all) : 0;
  return shares;
}

}  // namespace khtrace::analysis
