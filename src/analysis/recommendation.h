// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/operation_report.h"
#include "model/span_batch.h"

// What to do about a slow operation: only with evidence in example traces.
// Pure functions.

namespace khtrace::analysis {

enum class RecommendationType : uint8_t {
  kNPlusOne,
  kSequentialCalls,
  kRetryStorm,
  kPoolWait,
  kCacheMisses,
  kOversizedPayload,
  kSlowDependency,
  kUnindexedQuery,
  kUnbatchedEmbeddings,
  kModelTooLarge,
  kVersionRegression,
  kSlowOperation,
};
std::string_view RecommendationName(RecommendationType type);  // "n_plus_one"

struct Evidence {
  std::vector<model::TraceId> traces;  // at most 3, the clearest first
  // What was seen: {"statement", "SELECT …"}, {"repeats", "24"}.
  std::vector<std::pair<std::string, std::string>> facts;
};

struct Recommendation {
  RecommendationType type = RecommendationType::kSlowOperation;
  std::string text;       // what to do, in a sentence or two
  double confidence = 0;  // 0 to 1: share of the looked-at calls that show it
  // Estimate for one call at the 95th percentile, nanoseconds.
  double saving_nanos = 0;
  Evidence evidence;
};

// `traces`: whole traces with calls of the operation. By saving, greatest
// first; none for an operation that is within its target.
std::vector<Recommendation> Recommend(
    const OperationReport& operation,
    std::span<const model::SpanBatchPtr> traces);

}  // namespace khtrace::analysis
