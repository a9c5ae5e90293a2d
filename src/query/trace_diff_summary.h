// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "query/trace_diff.h"

namespace khtrace::query {

// A difference in few numbers.
struct TraceDiffSummary {
  struct Side {
    std::string root_service;  // of the first root
    std::string root_name;
    size_t errors = 0;      // spans
    uint64_t duration = 0;  // nanoseconds, earliest start to latest end
    uint64_t sum = 0;       // of all spans' durations
  };
  // Of a service with spans that changed, or that take together at least 1 ms
  // and a twentieth more or less.
  struct Service {
    std::string name;
    int64_t sum_change = 0;  // nanoseconds, of its spans' durations
    size_t modified = 0;
    size_t added = 0;
    size_t removed = 0;
    size_t new_errors = 0;  // of spans that match or were added
    size_t resolved_errors = 0;
  };

  Side base;
  Side compare;
  // Some span has another parent, or is only on one side.
  bool structure_changed = false;
  // Sorted; those of `services`, and those whose structure changed.
  std::vector<std::string> changed_services;
  // Those whose durations changed most first, then by new errors and name.
  std::vector<Service> services;
  double of_larger = 1;   // matched spans to those of the larger trace
  double of_smaller = 1;  // and of the smaller one
};

// `diff` is that of the two. Services without a name are "<unknown>".
TraceDiffSummary Summarize(const DiffTrace& base, const DiffTrace& compare,
                           const TraceDiff& diff);

}  // namespace khtrace::query
