// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "alerting/options.h"
#include "base/clock.h"
#include "base/request_context.h"
#include "base/result.h"

// What is known of one instance of a rule at one moment, and what it means.

namespace khtrace::alerting {

// How a value stands against one threshold.
struct Verdict {
  bool breach = false;  // beyond it
  bool clear = true;    // better than resolve_below of it; never with breach

  bool operator==(const Verdict&) const = default;
};

struct Measurement {
  Labels labels;  // of the instance, without the rule's
  // nullopt: nothing can be said, for the reason in `no_data`.
  std::optional<double> value;
  std::string no_data;  // "no_spans", "insufficient_data"
  uint64_t count = 0;   // spans behind the value; 0 if they were not counted
  std::string unit;     // "s", or "" for plain numbers
  std::optional<double> target;
  std::optional<double> alert;  // thresholds
  std::optional<double> critical;
  Verdict alert_verdict;
  Verdict critical_verdict;
  std::string example;         // trace id of the worst span; "" without
  std::string reason;          // in words; may be ""
  std::string recommendation;  // what to do about it; may be ""
};

// Whether `value` is beyond `threshold`, or clearly within. NaN is neither.
Verdict Judge(double value, double threshold, Comparison compare,
              double resolve_below);
// Fills in both verdicts, from value and thresholds, and no_data by
// min_samples.
void JudgeAll(const Rule& rule, Measurement* measurement);

// Where measurements come from. Thread-safe.
class MeasureSource {
 public:
  virtual ~MeasureSource() = default;

  // One for each instance that there is at `now`, of the tenant in `context`;
  // judged. Empty: there are no spans. Errors are those of TraceReader.
  virtual Result<std::vector<Measurement>> Measure(
      const RequestContext& context, const Rule& rule, UnixNanos now) = 0;
  // What an instance comes to that no span belongs to any more: errors that
  // are counted are 0 then. nullopt: nothing can be said of it.
  virtual std::optional<Measurement> MeasureMissing(
      const RequestContext& /*context*/, const Rule& /*rule*/,
      UnixNanos /*now*/, const Labels& /*labels*/) {
    return std::nullopt;
  }
  // Adds what is worth asking only once something fires: an example trace and
  // a recommendation. Best effort.
  virtual void Describe(const RequestContext& context, const Rule& rule,
                        UnixNanos now, Measurement* measurement) = 0;
  virtual std::vector<std::string> Tenants() = 0;
  // Nothing more is asked as of the same moment: what was kept for that may go.
  virtual void EndRound() {}
};

}  // namespace khtrace::alerting
