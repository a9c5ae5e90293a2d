// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "query/metrics.h"
#include "query/reference/trace.h"
#include "query/series.h"
#include "query/value.h"
#include "traceql/ast.h"

namespace khtrace::query::reference {

// Labels of groups in the order of answers.
struct LabelOrder {
  bool operator()(const std::vector<Label>& a,
                  const std::vector<Label>& b) const {
    return Order(a, b) < 0;
  }
};

// Gathers spans into the series of one metrics function. Confined to one
// thread; borrows.
class SeriesBuilder {
 public:
  virtual ~SeriesBuilder() = default;

  // `interval` is where the span belongs on the axis, `weight` how many spans
  // it counts as.
  virtual Status Add(const Trace& trace, uint32_t row, size_t interval,
                     double weight) = 0;
  virtual std::vector<Series> Take() = 0;
};

// For all functions but compare().
std::unique_ptr<SeriesBuilder> MakeSeriesBuilder(
    const traceql::MetricsAggregate& aggregate, const TimeAxis& axis);
std::unique_ptr<SeriesBuilder> MakeCompareBuilder(
    const traceql::CompareArguments& arguments, const TimeAxis& axis);

}  // namespace khtrace::query::reference
