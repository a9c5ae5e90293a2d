// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "aggregate/partial_rows.h"

// What single texts of a span say. Pure functions; any bytes are fine.

namespace khtrace::aggregate {

// What an attribute's key says of its span's work.
Trait TraitOfKey(std::string_view key);
// Of two attributes of one span.
inline Trait LeastTrait(Trait a, Trait b) {
  if (a == Trait::kNone || b == Trait::kNone) return a == Trait::kNone ? b : a;
  return a < b ? a : b;
}

// The unit of RedCell::unsampled.
inline constexpr uint64_t kSampleUnit = 1024;
// A span stands for a million at most: beyond that somebody made a mistake,
// and one span would say everything.
inline constexpr double kMaxSpansStoodFor = 1e6;

// How many spans, in kSampleUnit-ths, a span stands for beside itself that was
// kept with this probability (0 to 1); 0 for what is no probability.
uint64_t UnsampledOf(double probability);
// The probability that a W3C tracestate tells: its member `ot` with `th:` and
// the rejection threshold (OpenTelemetry's tracestate handling, "th"), or with
// `p:` and a negative power of two (its predecessor). Nothing without one.
std::optional<double> SamplingProbability(std::string_view trace_state);

}  // namespace khtrace::aggregate
