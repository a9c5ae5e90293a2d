// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "query/metrics.h"
#include "traceql/ast.h"

// What follows once spans have been counted: buckets become quantiles and
// histograms, series are ranked, filtered and calculated with. Pure.

namespace khtrace::query {

// Spans by power of two: bucket b counts values in (2^(b-1), 2^b]. Values
// below 2 are not counted.
using PowerBuckets = std::map<uint8_t, double>;
// The bucket of a value of at least 2 (durations: in nanoseconds).
uint8_t PowerBucketOf(uint64_t value);
// The value at quantile q by interpolation in the logarithm (docs/traceql.md);
// 0 without spans. `unit`: what 1 of the buckets is, 1e-9 for durations.
double QuantileOf(const PowerBuckets& buckets, double q, double unit);

// Labels of a series of a function that is not grouped: __name__.
std::vector<Label> UngroupedLabels(traceql::MetricsOp op);
// Of one that is: nil values dropped, unless all are nil.
std::vector<Label> GroupedLabels(std::vector<Label> labels);

// topk, bottomk, comparison with a constant.
Status ApplyStages(const std::vector<traceql::SecondStage>& stages,
                   std::vector<Series>* series);
// Calculates series with series (of equal labels) and with constants.
struct Operand {
  bool constant = false;
  double number = 0;  // if constant
  std::vector<Series> series;
};
std::vector<Series> Calculate(traceql::BinaryOp op, const Operand& left,
                              const Operand& right);
// The value of a constant expression; durations in seconds.
double ConstantOf(const traceql::ScalarExpr& expr);

// The order of answers; then at most `max_series` (0: all), which makes the
// result partial.
void Finish(size_t max_series, MetricsResult* result);

}  // namespace khtrace::query
