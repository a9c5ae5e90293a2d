// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
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
// What a bucket's values are at most. `divisor` is 1e9 for durations, which are
// counted in nanoseconds and told in seconds, else 1.
double BoundOf(uint8_t bucket, double divisor);
// The value at quantile q by interpolation in the logarithm (docs/traceql.md);
// 0 without spans.
double QuantileOf(const PowerBuckets& buckets, double q, double divisor);

// Labels of a series of a function that is not grouped: __name__; none of
// quantiles and histograms, which have `p` and `__bucket`.
std::vector<Label> UngroupedLabels(traceql::MetricsOp op);
// Of one that is: nil values dropped, unless all are nil, which leaves the
// first. `p` and `__bucket` come behind.
std::vector<Label> GroupedLabels(std::vector<Label> labels);
// The order of answers: number of labels, then keys and values.
std::weak_ordering Order(const std::vector<Label>& a,
                         const std::vector<Label>& b);

// The value of a constant expression; durations in seconds. Ints divide as in
// Calculate (value.h): kInvalidArgument for a division by zero.
Result<double> ConstantOf(const traceql::ScalarExpr& expr);
// topk, bottomk, comparison with a constant, in this order. Samples that do not
// pass go with their exemplars, series without samples too. At most n series
// pass topk(n) untouched. Of equal samples topk takes those of the series that
// come first, bottomk those of the last. Errors as ConstantOf.
Status ApplyStages(const std::vector<traceql::SecondStage>& stages,
                   std::vector<Series>* series);

// Calculates series with series and with constants, sample by sample; a missing
// sample and a division by zero give none, and a series without samples goes.
// Partners have the same labels but for __name__; one without labels is the
// partner of all. The result is named "(left op right)" where both have no
// other labels. Its exemplars are the left side's (without any, the right's) at
// the result's samples. A constant leaves labels as they are and calculates
// with exemplars too. At most one operand is constant.
struct Operand {
  bool constant = false;
  double number = 0;  // if constant
  std::vector<Series> series;
};
std::vector<Series> Calculate(traceql::BinaryOp op, const Operand& left,
                              const Operand& right);

// Sorts; then at most `max_series` (0: all), which makes the result partial.
void Finish(size_t max_series, MetricsResult* result);

// Exemplars of one answer: the hint `exemplars`, else what is asked for; at
// most 100.
size_t ExemplarLimit(const MetricsRequest& request);

}  // namespace khtrace::query
