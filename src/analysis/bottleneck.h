// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/operation_report.h"
#include "analysis/recommendation.h"

// Which operations to look at first. What is asked and answered.

namespace khtrace::analysis {

enum class BottleneckSort : uint8_t {
  kImpact,
  kP95,
  kCount,
  kErrorRate,
  kRecoverable,
  kCriticalPathShare,
};

struct BottleneckRequest {
  Window window;
  // Operations whose p95 is above it; nullopt: above their category's target
  // (those without one are left out); 0: all.
  std::optional<std::chrono::nanoseconds> threshold;
  std::string service;   // "": all
  std::string category;  // "": all; "none": those without one
  uint64_t min_count = 1;
  BottleneckSort sort = BottleneckSort::kImpact;  // greatest first
  size_t offset = 0;
  size_t limit = 20;
  bool recommend = true;
};

struct Bottleneck {
  OperationReport operation;
  // Calls above the threshold (or target).
  uint64_t slow_count = 0;
  double slow_share = 0;
  // "over_target": p95 above it. "frequent": slow calls are many (at least one
  // a minute and 5 % of the calls). "system_wide": at least 5 % of all time on
  // critical paths.
  std::vector<std::string> flags;
  std::vector<Recommendation> recommendations;
};

struct BottleneckList {
  Window window;
  UnixNanos generated_at;
  size_t total = 0;  // before offset and limit
  std::vector<Bottleneck> bottlenecks;
};

// `operations` in order of impact. Without recommendations and generated_at.
// Pure.
BottleneckList SelectBottlenecks(const std::vector<OperationReport>& operations,
                                 Window window,
                                 const BottleneckRequest& request);

struct OperationRequest {
  Window window;
  std::string operation;
  std::string service;  // "": the one with most calls; others are named
};

// A child operation of the operation's calls in the example traces.
struct ChildShare {
  std::string service;
  std::string operation;
  double calls_per_call = 0;
  double mean_nanos = 0;  // per call of the operation, overlaps counted once
  double share = 0;       // of the operation's time
};

struct OperationAnalysis {
  Window window;
  UnixNanos generated_at;
  OperationReport report;
  std::vector<std::string> other_services;  // that have the operation too
  std::vector<TimePoint> series;
  std::vector<ChildShare> children;  // greatest first; from example traces
  double self_share = 0;   // of the operation's time, without children
  uint32_t looked_at = 0;  // calls in example traces
  std::vector<Recommendation> recommendations;
};

}  // namespace khtrace::analysis
