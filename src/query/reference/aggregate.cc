// SPDX-License-Identifier: Apache-2.0
#include "query/reference/aggregate.h"

#include <algorithm>
#include <cmath>

namespace khtrace::query::reference {
namespace {

using traceql::AggregateOp;
using traceql::BinaryOp;
using traceql::Type;

__extension__ using Wide = __int128;

std::vector<Value> NumbersOf(const std::vector<Value>& values) {
  std::vector<Value> out;
  for (const Value& value : values) {
    if (value.numeric() && !std::isnan(value.Number())) out.push_back(value);
  }
  return out;
}

bool Any(const std::vector<Value>& values, Type type) {
  return std::any_of(values.begin(), values.end(),
                     [type](const Value& v) { return v.type == type; });
}

Value Extreme(BinaryOp better, const std::vector<Value>& numbers) {
  Value best = numbers.front();
  for (const Value& value : numbers) {
    if (Compare(better, value, best)) best = value;
  }
  return best;
}

Value SumOrAverage(bool average, const std::vector<Value>& numbers) {
  const auto count = static_cast<double>(numbers.size());
  if (Any(numbers, Type::kFloat)) {
    double sum = 0;
    for (const Value& value : numbers) sum += value.Number();
    return Value::Float(average ? sum / count : sum);
  }
  Wide sum = 0;
  for (const Value& value : numbers) sum += value.AsInt();
  const bool durations = Any(numbers, Type::kDuration);
  if (average && !durations) {
    return Value::Float(static_cast<double>(sum) / count);
  }
  if (average) sum /= static_cast<Wide>(numbers.size());
  const auto nanos = static_cast<int64_t>(sum);
  return durations ? Value::Duration(nanos) : Value::Int(nanos);
}

}  // namespace

Value Aggregated(AggregateOp op, const std::vector<Value>& values) {
  const std::vector<Value> numbers = NumbersOf(values);
  if (numbers.empty()) return {};
  switch (op) {
    case AggregateOp::kMin:
      return Extreme(BinaryOp::kLess, numbers);
    case AggregateOp::kMax:
      return Extreme(BinaryOp::kGreater, numbers);
    case AggregateOp::kSum:
      return SumOrAverage(false, numbers);
    case AggregateOp::kAvg:
      return SumOrAverage(true, numbers);
    case AggregateOp::kCount:
      break;
  }
  return {};
}

}  // namespace khtrace::query::reference
