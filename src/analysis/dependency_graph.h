// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "aggregate/partial.h"
#include "analysis/operation_report.h"

// Who calls whom, how well, and how often again. Pure functions over
// aggregates.

namespace khtrace::analysis {

struct DependencyNode {
  std::string id;       // unique: "service:shop", "database:postgresql@db-1"
  std::string name;     // "shop", "postgresql"
  std::string type;     // "service", "database", "queue", "external"
  std::string address;  // "" of services
  uint64_t calls = 0;   // incoming
  double calls_per_min = 0;
  double error_rate = 0;       // of incoming calls, as its callers see them
  std::optional<Grade> grade;  // of services
};

// How waiting times between attempts behave.
enum class BackOff : uint8_t { kUnknown, kNone, kFixed, kGrowing, kJittered };
std::string_view BackOffName(BackOff shape);  // "fixed"

// Calls that were made again after an error. A hedge is an attempt that began
// before the one before it had ended.
struct RetryPattern {
  std::string operation;  // the caller's span name
  uint64_t calls = 0;     // with more than one attempt
  uint64_t retries = 0;   // attempts beyond the first that waited
  uint64_t hedges = 0;
  uint64_t recovered = 0;  // calls whose last attempt had no error
  uint64_t exhausted = 0;  // calls whose last attempt failed too
  // Attempts of these calls: {attempts, calls}.
  std::vector<std::pair<uint32_t, uint64_t>> attempts;
  double back_off_p50 = 0;  // nanoseconds
  double back_off_p95 = 0;
  BackOff shape = BackOff::kUnknown;
};

struct DependencyEdge {
  std::string from;  // node ids
  std::string to;
  std::string type;  // "sync", "async", "database", "messaging"
  uint64_t calls = 0;
  double calls_per_min = 0;
  uint64_t caller_errors = 0;
  uint64_t callee_errors = 0;
  double error_rate = 0;  // of caller_errors, else callee_errors
  // Nanoseconds; 0 where that side told nothing.
  double caller_p50 = 0, caller_p95 = 0, caller_p99 = 0;
  double callee_p50 = 0, callee_p95 = 0, callee_p99 = 0;
  // caller_p50 - callee_p50, not below 0: network and queues. 0 if one side
  // is missing.
  double network_p50 = 0;
  // Of calls that were made again: share of all calls that were retries or
  // hedges, and attempts for each call that was meant (1: none again).
  double retry_rate = 0;
  double amplification = 1;
  std::vector<RetryPattern> retries;  // by operation, most retries first
};

struct DependencyGraph {
  std::vector<DependencyNode> nodes;  // by id
  std::vector<DependencyEdge> edges;  // by calls, most first; ties by ids
};

// `services` may be empty: nodes have no grade then.
DependencyGraph BuildDependencies(const aggregate::Partial& partial,
                                  Window window,
                                  const std::vector<ServiceReport>& services);

// Only nodes within `hops` of `focus` (a node id or name), either direction.
DependencyGraph Neighbourhood(const DependencyGraph& graph,
                              std::string_view focus, uint32_t hops);

// For Graphviz and Mermaid.
std::string ToDot(const DependencyGraph& graph);
std::string ToMermaid(const DependencyGraph& graph);

}  // namespace khtrace::analysis
