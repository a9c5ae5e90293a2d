// SPDX-License-Identifier: Apache-2.0
#include "query/series.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "query/value.h"
#include "traceql/printer.h"

namespace khtrace::query {
namespace {

using traceql::BinaryOp;
using traceql::ScalarExpr;
using traceql::Static;

constexpr double kNoSample = std::numeric_limits<double>::quiet_NaN();
constexpr std::string_view kName = "__name__";

bool HasSamples(const Series& series) {
  return std::any_of(series.values.begin(), series.values.end(),
                     [](double v) { return !std::isnan(v); });
}

// Of series from which samples were taken: what goes with them.
void DropWithoutSamples(std::vector<Series>* series) {
  for (Series& s : *series) {
    std::erase_if(s.exemplars, [&s](const Exemplar& e) {
      return std::isnan(s.values[e.interval]);
    });
  }
  std::erase_if(*series, [](const Series& s) { return !HasSamples(s); });
}

bool Holds(BinaryOp op, double sample, double constant) {
  return Compare(op, Value::Float(sample), Value::Float(constant));
}

void Filter(BinaryOp op, double constant, std::vector<Series>* series) {
  for (Series& s : *series) {
    for (double& sample : s.values) {
      if (!Holds(op, sample, constant)) sample = kNoSample;
    }
  }
  DropWithoutSamples(series);
}

// Takes all but the `limit` best samples of one interval. `ranked`: positions
// of series in the order in which they win ties.
void KeepBest(const traceql::TopK& top, const std::vector<size_t>& ranked,
              size_t interval, std::vector<Series>* series) {
  const auto sample = [&](size_t i) -> double& {
    return (*series)[i].values[interval];
  };
  std::vector<size_t> present;
  for (const size_t i : ranked) {
    if (!std::isnan(sample(i))) present.push_back(i);
  }
  std::stable_sort(present.begin(), present.end(), [&](size_t a, size_t b) {
    return top.bottom ? sample(a) < sample(b) : sample(a) > sample(b);
  });
  for (size_t i = static_cast<size_t>(top.limit); i < present.size(); ++i) {
    sample(present[i]) = kNoSample;
  }
}

void Keep(const traceql::TopK& top, std::vector<Series>* series) {
  if (series->size() <= static_cast<size_t>(top.limit)) return;
  std::vector<size_t> ranked(series->size());
  std::iota(ranked.begin(), ranked.end(), size_t{0});
  std::sort(ranked.begin(), ranked.end(), [&](size_t a, size_t b) {
    const auto order = Order((*series)[a].labels, (*series)[b].labels);
    return top.bottom ? order > 0 : order < 0;
  });
  const size_t intervals = series->front().values.size();
  for (size_t i = 0; i < intervals; ++i) KeepBest(top, ranked, i, series);
  DropWithoutSamples(series);
}

double CalculateSample(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::kAdd:
      return a + b;
    case BinaryOp::kSub:
      return a - b;
    case BinaryOp::kMul:
      return a * b;
    case BinaryOp::kDiv:
      return b == 0 ? kNoSample : a / b;
    default:
      return kNoSample;
  }
}

// Without __name__, ordered by key: equal for equal sets of labels.
std::vector<Label> IdentityOf(const std::vector<Label>& labels) {
  std::vector<Label> out;
  for (const Label& label : labels) {
    if (label.key != kName) out.push_back(label);
  }
  std::stable_sort(out.begin(), out.end(), [](const Label& a, const Label& b) {
    return a.key < b.key;
  });
  return out;
}

std::string NameOf(const Series& series) {
  for (const Label& label : series.labels) {
    const auto* name = std::get_if<std::string>(&label.value.value);
    if (label.key == kName && name != nullptr) return *name;
  }
  return "";
}

std::vector<Label> LabelsOfResult(BinaryOp op, const Series& left,
                                  const Series& right) {
  std::vector<Label> labels;
  for (const Series* side : {&left, &right}) {
    for (const Label& label : side->labels) {
      if (label.key != kName) labels.push_back(label);
    }
    if (!labels.empty()) return labels;
  }
  return {{std::string(kName),
           Static(fmt::format("({} {} {})", NameOf(left), traceql::Symbol(op),
                              NameOf(right)))}};
}

// A side's labels are replaced by the result's; what stays is trace:id.
Exemplar Moved(const Exemplar& exemplar, size_t old_labels,
               const Series& result) {
  Exemplar out = exemplar;
  const size_t own = std::min(old_labels, out.labels.size());
  out.labels.erase(out.labels.begin(),
                   out.labels.begin() + static_cast<ptrdiff_t>(own));
  out.labels.insert(out.labels.begin(), result.labels.begin(),
                    result.labels.end());
  out.value = result.values[exemplar.interval];
  return out;
}

Series CalculatePair(BinaryOp op, const Series& left, const Series& right) {
  Series out;
  out.labels = LabelsOfResult(op, left, right);
  for (size_t i = 0; i < left.values.size(); ++i) {
    out.values.push_back(CalculateSample(op, left.values[i], right.values[i]));
  }
  const Series& shown = left.exemplars.empty() ? right : left;
  for (const Exemplar& exemplar : shown.exemplars) {
    out.exemplars.push_back(Moved(exemplar, shown.labels.size(), out));
  }
  return out;
}

std::vector<Series> CalculateWithConstant(BinaryOp op, const Operand& left,
                                          const Operand& right) {
  std::vector<Series> out = left.constant ? right.series : left.series;
  const auto apply = [&](double* value) {
    *value = left.constant ? CalculateSample(op, left.number, *value)
                           : CalculateSample(op, *value, right.number);
  };
  for (Series& series : out) {
    for (double& value : series.values) apply(&value);
    for (Exemplar& exemplar : series.exemplars) apply(&exemplar.value);
    std::erase_if(series.exemplars,
                  [](const Exemplar& e) { return std::isnan(e.value); });
  }
  DropWithoutSamples(&out);
  return out;
}

Result<Value> Constant(const ScalarExpr& expr) {
  if (const auto* literal = std::get_if<Static>(&expr.node)) {
    const Value value = FromStatic(*literal);
    if (value.type != traceql::Type::kDuration) return value;
    return Value::Float(static_cast<double>(value.AsInt()) / 1e9);
  }
  if (const auto* negate = std::get_if<traceql::ScalarNegate>(&expr.node)) {
    ASSIGN_OR_RETURN(const Value operand, Constant(*negate->operand));
    return Negate(operand);
  }
  const auto& binary = std::get<traceql::ScalarBinary>(expr.node);
  ASSIGN_OR_RETURN(const Value left, Constant(*binary.left));
  ASSIGN_OR_RETURN(const Value right, Constant(*binary.right));
  bool by_zero = false;
  const Value value = Calculate(binary.op, left, right, &by_zero);
  if (!by_zero) return value;
  return Error{Code::kInvalidArgument,
               "division by zero in " + traceql::Print(expr)};
}

}  // namespace

uint8_t PowerBucketOf(uint64_t value) {
  return static_cast<uint8_t>(std::bit_width(value - 1));
}

double BoundOf(uint8_t bucket, double divisor) {
  return std::exp2(bucket) / divisor;
}

double QuantileOf(const PowerBuckets& buckets, double q, double divisor) {
  double total = 0;
  for (const auto& [bucket, count] : buckets) total += count;
  if (total <= 0) return 0;
  const double rank = std::max(1.0, std::ceil(q * total));
  double before = 0;
  std::optional<uint8_t> previous;
  for (const auto& [bucket, count] : buckets) {
    if (count <= 0) continue;
    if (before + count > rank) {
      const double high = bucket;
      const double low = previous ? *previous : high - 1;
      const double share = (rank - before) / count;
      return std::exp2(low + (high - low) * share) / divisor;
    }
    before += count;
    previous = bucket;
    if (before == rank) break;
  }
  return BoundOf(*previous, divisor);
}

std::vector<Label> UngroupedLabels(traceql::MetricsOp op) {
  switch (op) {
    case traceql::MetricsOp::kQuantileOverTime:
    case traceql::MetricsOp::kHistogramOverTime:
    case traceql::MetricsOp::kCompare:
      return {};
    default:
      return {{std::string(kName), Static(std::string(traceql::Name(op)))}};
  }
}

std::vector<Label> GroupedLabels(std::vector<Label> labels) {
  const auto nil = [](const Label& label) {
    return label.value.type() == traceql::Type::kNil;
  };
  if (std::all_of(labels.begin(), labels.end(), nil)) {
    if (labels.size() > 1) labels.erase(labels.begin() + 1, labels.end());
  } else {
    std::erase_if(labels, nil);
  }
  return labels;
}

std::weak_ordering Order(const std::vector<Label>& a,
                         const std::vector<Label>& b) {
  if (a.size() != b.size()) return a.size() <=> b.size();
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].key != b[i].key) return a[i].key <=> b[i].key;
    const auto order = Order(a[i].value, b[i].value);
    if (order != 0) return order;
  }
  return std::weak_ordering::equivalent;
}

Result<double> ConstantOf(const ScalarExpr& expr) {
  ASSIGN_OR_RETURN(const Value value, Constant(expr));
  return value.Number();
}

Status ApplyStages(const std::vector<traceql::SecondStage>& stages,
                   std::vector<Series>* series) {
  for (const traceql::SecondStage& stage : stages) {
    if (const auto* top = std::get_if<traceql::TopK>(&stage)) {
      Keep(*top, series);
      continue;
    }
    const auto& filter = std::get<traceql::SampleFilter>(stage);
    ASSIGN_OR_RETURN(const double constant, ConstantOf(filter.value));
    Filter(filter.op, constant, series);
  }
  return {};
}

std::vector<Series> Calculate(BinaryOp op, const Operand& left,
                              const Operand& right) {
  if (left.constant || right.constant) {
    return CalculateWithConstant(op, left, right);
  }
  std::vector<std::vector<Label>> right_identities;
  for (const Series& r : right.series) {
    right_identities.push_back(IdentityOf(r.labels));
  }
  std::vector<Series> out;
  for (const Series& l : left.series) {
    const std::vector<Label> identity = IdentityOf(l.labels);
    for (size_t i = 0; i < right.series.size(); ++i) {
      const std::vector<Label>& other = right_identities[i];
      if (!identity.empty() && !other.empty() && Order(identity, other) != 0) {
        continue;
      }
      out.push_back(CalculatePair(op, l, right.series[i]));
    }
  }
  DropWithoutSamples(&out);
  return out;
}

void Finish(size_t max_series, MetricsResult* result) {
  std::stable_sort(result->series.begin(), result->series.end(),
                   [](const Series& a, const Series& b) {
                     return Order(a.labels, b.labels) < 0;
                   });
  if (max_series == 0 || result->series.size() <= max_series) return;
  result->series.resize(max_series);
  result->partial = true;
  result->message = fmt::format(
      "Response exceeds maximum series limit of {}, a partial response is "
      "returned. Warning: the accuracy of each individual value is not "
      "guaranteed.",
      max_series);
}

size_t ExemplarLimit(const MetricsRequest& request) {
  // Tempo's default and maximum.
  constexpr size_t kMaxExemplars = 100;
  for (const traceql::Hint& hint : request.query->hints) {
    if (hint.name != "exemplars") continue;
    if (const auto* wanted = std::get_if<bool>(&hint.value.value)) {
      return *wanted ? kMaxExemplars : 0;
    }
    if (const auto* limit = std::get_if<int64_t>(&hint.value.value)) {
      return std::min(static_cast<size_t>(std::max<int64_t>(*limit, 0)),
                      kMaxExemplars);
    }
  }
  return std::min(request.max_exemplars, kMaxExemplars);
}

}  // namespace khtrace::query
