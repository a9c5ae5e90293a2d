// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "analysis/bottleneck.h"
#include "analysis/operation_report.h"
#include "analysis/recommendation.h"
#include "wire/json_writer.h"

// Judgements of operations as JSON, the same in every answer.

namespace khtrace::api {

// The members of an operation's object: figures, grade, impact, trend,
// examples. The caller opens and closes the object.
void PutOperation(wire::JsonWriter& w, const analysis::OperationReport& report);
// An object: what PutOperation puts, and what makes it a bottleneck.
void WriteBottleneck(wire::JsonWriter& w,
                     const analysis::Bottleneck& bottleneck);
void PutRecommendations(
    wire::JsonWriter& w,
    const std::vector<analysis::Recommendation>& recommendations);
// "targets": {target_ms, alert_ms, critical_ms, bands_ms: [4]}, or null.
void PutTargets(wire::JsonWriter& w,
                const std::optional<analysis::Targets>& targets);
// "series": points; percentiles are null where there is no span.
void PutSeries(wire::JsonWriter& w, std::string_view key,
               const std::vector<analysis::TimePoint>& series);
void WriteTraceRef(wire::JsonWriter& w, const analysis::Example& example,
                   std::string_view type);

// Of many operations: how many have which grade, and which share of the calls
// with a target kept it.
class GradeTally {
 public:
  void Add(const analysis::OperationReport& report);
  // "grade_distribution": {A, B, C, D, F, none}, "attained_share": 0 to 1 or
  // null.
  void Put(wire::JsonWriter& w) const;

 private:
  std::array<uint64_t, 6> grades_{};  // A to F, none
  uint64_t calls_ = 0;                // with a target
  uint64_t kept_ = 0;
};

// Calls that took less than `nanos`, as exactly as the bins are (within 2 %).
uint64_t CallsBelow(const aggregate::LatencyHistogram& durations,
                    uint64_t nanos);

}  // namespace khtrace::api
