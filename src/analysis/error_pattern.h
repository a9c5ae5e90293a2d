// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aggregate/partial.h"
#include "analysis/operation_report.h"

// Errors that look alike. Pure functions over aggregates.

namespace khtrace::analysis {

struct ErrorPlace {
  std::string service;
  std::string operation;
  uint64_t count = 0;
  // Of them on spans below which nothing had failed: this is where it began.
  uint64_t origins = 0;
};

struct ErrorPattern {
  std::string fingerprint;  // 16 hex digits, of type, message and frames
  std::string type;         // exception.type or error.type; may be ""
  std::string message;      // normalised
  std::string frame;        // the topmost own one; may be ""
  uint64_t count = 0;
  uint64_t failed_spans = 0;  // of them on spans with status error
  double per_min = 0;
  double share = 0;                // of all errors in the window
  std::vector<ErrorPlace> places;  // most origins, then most errors first
  UnixNanos first_seen;            // in all that is stored
  UnixNanos last_seen;
  model::TraceId example;  // with its earliest occurrence in the window
  bool is_new = false;     // first seen within the window
  // Seen before, not in the window before this one, and seen again.
  bool regressed = false;
  std::vector<uint64_t> series;  // counts by bucket of the window
  // Recurring, or in bursts: the buckets with any, and the share of errors in
  // the fullest one.
  uint32_t active_buckets = 0;
  double peak_share = 0;
  // Median duration of the operations' spans with an error against those
  // without, nanoseconds (where it occurs most); negative: failing is faster.
  double latency_effect = 0;
  Interval latency_effect_interval;  // 95 %
  bool has_latency_effect = false;   // enough spans on both sides
};

struct ErrorInput {
  const aggregate::Partial* window = nullptr;    // in buckets of `minutes`
  const aggregate::Partial* previous = nullptr;  // the window before
  const aggregate::Partial* history = nullptr;   // everything before the window
  Window range;
  uint32_t minutes = 5;
};

// Most frequent first; ties by fingerprint.
std::vector<ErrorPattern> FindErrorPatterns(const ErrorInput& input);

}  // namespace khtrace::analysis
