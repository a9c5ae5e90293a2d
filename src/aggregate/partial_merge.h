// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "aggregate/latency_histogram.h"
#include "aggregate/partial_rows.h"

// How rows of partials are brought together: for partial.cc and
// partial_format.cc.

namespace khtrace::aggregate {

// Whether a row is wanted. The whole bucket counts.
template <typename Key>
bool InRange(const Key& key, uint32_t first_minute, uint32_t last_minute) {
  if (key.minute > last_minute) return false;
  return first_minute < key.minute || first_minute - key.minute < key.kMinutes;
}

// Adds a field of a cell to another one, or takes it away.
inline void Apply(uint64_t& to, uint64_t from, bool subtract) {
  to += subtract ? 0 - from : from;
}
inline void Apply(LatencyHistogram& to, const LatencyHistogram& from,
                  bool subtract) {
  subtract ? to.Subtract(from) : to.Merge(from);
}
inline void Apply(Earliest& to, const Earliest& from, bool subtract) {
  if (!subtract) to = std::min(to, from);
}
inline void Apply(Latest& to, const Latest& from, bool subtract) {
  if (!subtract) to = std::max(to, from);
}
inline void Apply(Slowest& to, const Slowest& from, bool subtract) {
  if (!subtract && from.Before(to)) to = from;
}
inline void Apply(Sampled& to, const Sampled& from, bool subtract) {
  if (!subtract && from.Before(to)) to = from;
}

template <typename Cell>
void ApplyCell(Cell& to, const Cell& from, bool subtract) {
  Cell::Visit(
      [&](auto& sum, const auto& field) { Apply(sum, field, subtract); }, to,
      from);
}

}  // namespace khtrace::aggregate
