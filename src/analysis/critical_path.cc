// SPDX-License-Identifier: Apache-2.0
#include "analysis/critical_path.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include "analysis/linked_trace.h"

namespace khtrace::analysis {
namespace {

using Name = std::pair<std::string_view, std::string_view>;
struct Root {
  uint64_t nanos = 0;
  uint64_t traces = 0;
  std::map<Name, std::pair<uint64_t, uint64_t>> below;  // nanos, traces
};

void SortShares(std::vector<PathShare>* shares) {
  std::stable_sort(
      shares->begin(), shares->end(),
      [](const PathShare& a, const PathShare& b) { return a.nanos > b.nanos; });
}

RootPaths PathsOf(const Name& name, const Root& root) {
  RootPaths paths;
  paths.root_service = name.first;
  paths.root_operation = name.second;
  paths.nanos = root.nanos;
  for (const auto& [below, sums] : root.below) {
    PathShare share;
    share.service = below.first;
    share.operation = below.second;
    std::tie(share.nanos, share.traces) = sums;
    if (root.nanos > 0) {
      share.share =
          static_cast<double>(share.nanos) / static_cast<double>(root.nanos);
    }
    if (root.traces > 0) {
      share.what_if_10_percent = static_cast<double>(share.nanos) / 10 /
                                 static_cast<double>(root.traces);
    }
    paths.shares.push_back(std::move(share));
  }
  SortShares(&paths.shares);
  return paths;
}

}  // namespace

CriticalPath FindCriticalPath(const model::SpanBatch& trace) {
  return LinkedTrace(trace).Path();
}

std::vector<PathShare> SharesOf(const model::SpanBatch& trace,
                                const CriticalPath& path) {
  std::map<Name, uint64_t> sums;
  uint64_t all = 0;
  for (const PathSegment& segment : path.segments) {
    const uint64_t nanos = segment.end.ns - segment.start.ns;
    sums[{trace.ServiceName(segment.row),
          trace.String(trace.spans().name[segment.row])}] += nanos;
    all += nanos;
  }
  std::vector<PathShare> shares;
  for (const auto& [name, nanos] : sums) {
    PathShare share;
    share.service = name.first;
    share.operation = name.second;
    share.nanos = nanos;
    share.traces = 1;
    share.share = static_cast<double>(nanos) / static_cast<double>(all);
    share.what_if_10_percent = static_cast<double>(nanos) / 10;
    shares.push_back(std::move(share));
  }
  SortShares(&shares);
  return shares;
}

std::vector<RootPaths> PathsByRoot(const aggregate::Partial& partial,
                                   std::string_view root_service,
                                   std::string_view root_operation) {
  std::map<Name, Root> roots;
  for (const auto& [key, cell] : partial.critical) {
    const Name name{partial.Text(key.root_service),
                    partial.Text(key.root_operation)};
    if (!root_service.empty() && name.first != root_service) continue;
    if (!root_operation.empty() && name.second != root_operation) continue;
    Root& root = roots[name];
    root.nanos += cell.nanos;
    const Name below{partial.Text(key.service), partial.Text(key.operation)};
    auto& [nanos, traces] = root.below[below];
    nanos += cell.nanos;
    traces += cell.traces;
  }
  std::vector<RootPaths> paths;
  for (auto& [name, root] : roots) {
    // Nothing counts a root's traces; some operation is on most paths.
    for (const auto& [below, sums] : root.below) {
      root.traces = std::max(root.traces, sums.second);
    }
    paths.push_back(PathsOf(name, root));
  }
  std::stable_sort(
      paths.begin(), paths.end(),
      [](const RootPaths& a, const RootPaths& b) { return a.nanos > b.nanos; });
  return paths;
}

}  // namespace khtrace::analysis
