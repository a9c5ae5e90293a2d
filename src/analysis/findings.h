// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "analysis/call_sample.h"
#include "analysis/recommendation.h"

// What one call shows: each function looks for one cause in the call and all
// that is below it, and appends what it finds. Pure.

namespace khtrace::analysis {

struct Finding {
  RecommendationType type = RecommendationType::kSlowOperation;
  // Findings of a type about the same subject are one: a statement, a callee.
  std::string subject;
  std::string text;
  double saving_nanos = 0;
  // 0 to 1: how sure one such finding is, whatever the number of calls.
  double certainty = 1;
  std::vector<std::pair<std::string, std::string>> facts;
};
using Findings = std::vector<Finding>;

// A call that took longer than its target, with all spans below it.
struct SlowCall {
  const LinkedTrace& trace;
  uint32_t i;
  uint64_t target_nanos;
  std::vector<uint32_t> below;  // the call first; at most 2,000

  SlowCall(const Call& call, uint64_t target_nanos);
  uint64_t duration() const { return trace.duration(i); }
  uint64_t excess() const { return duration() - target_nanos; }
};

// Children of one span that repeat each other or follow each other.
void FindRepeatedQueries(const SlowCall& call, Findings* out);
void FindUnbatchedEmbeddings(const SlowCall& call, Findings* out);
void FindRetries(const SlowCall& call, Findings* out);
void FindSequentialCalls(const SlowCall& call, Findings* out);
// What attributes and names of single spans tell.
void FindPoolWaits(const SlowCall& call, Findings* out);
void FindCacheMisses(const SlowCall& call, Findings* out);
void FindOversizedPayloads(const SlowCall& call, Findings* out);
void FindUnindexedQueries(const SlowCall& call, Findings* out);
void FindSlowModels(const SlowCall& call, Findings* out);
// Where the time is, when nothing better explains it.
void FindSlowDependency(const SlowCall& call, Findings* out);
void FindOwnTime(const SlowCall& call, Findings* out);

// "12.3 ms".
std::string NanosText(double nanos);

}  // namespace khtrace::analysis
