// SPDX-License-Identifier: Apache-2.0
#include "query/reference/series_builder.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "query/reference/field.h"

namespace khtrace::query::reference {
namespace {

using traceql::MetricsAggregate;
using traceql::MetricsOp;
using traceql::Static;
using traceql::Type;

constexpr double kNoSample = std::numeric_limits<double>::quiet_NaN();
// Of a series.
constexpr size_t kExemplarsAnInterval = 2;
constexpr double kNanosPerSecond = 1e9;

// The spans of one group in one interval.
struct Cell {
  double spans = 0;
  struct Number {
    double value;  // in the series' unit
    double weight;
  };
  std::vector<Number> numbers;
  PowerBuckets buckets;
};

struct Sighting {
  size_t interval = 0;
  Exemplar exemplar;            // without the series' labels
  std::optional<double> value;  // in the series' unit
  std::optional<uint8_t> bucket;
};

struct Group {
  std::vector<Cell> cells;  // by interval
  std::vector<Sighting> sightings;
};

class Builder : public SeriesBuilder {
 public:
  Builder(const MetricsAggregate& aggregate, const TimeAxis& axis)
      : aggregate_(aggregate), axis_(axis) {
    const bool counts = aggregate.op == MetricsOp::kRate ||
                        aggregate.op == MetricsOp::kCountOverTime;
    if (counts && aggregate.by.empty()) GroupOf({});
    if (aggregate.attribute &&
        traceql::TypeOf(*aggregate.attribute) == Type::kDuration) {
      divisor_ = kNanosPerSecond;
    }
  }

  Status Add(const Trace& trace, uint32_t row, size_t interval,
             double weight) override {
    Value value;
    if (aggregate_.attribute) {
      value = FieldEvaluator::Evaluate(trace, row, *aggregate_.attribute);
    }
    Sighting sighting = SightingOf(trace, row, interval, value);
    if (!Counts(sighting)) return {};
    Group& group = GroupOf(LabelsOf(trace, row));
    Cell& cell = group.cells[interval];
    cell.spans += weight;
    if (sighting.value) cell.numbers.push_back({*sighting.value, weight});
    if (sighting.bucket) cell.buckets[*sighting.bucket] += weight;
    group.sightings.push_back(std::move(sighting));
    return {};
  }

  std::vector<Series> Take() override {
    std::vector<Series> out;
    for (auto& [labels, group] : groups_) {
      for (Series& series : SeriesOf(labels, group)) {
        out.push_back(std::move(series));
      }
    }
    return out;
  }

 private:
  bool buckets() const {
    return aggregate_.op == MetricsOp::kQuantileOverTime ||
           aggregate_.op == MetricsOp::kHistogramOverTime;
  }
  bool Counts(const Sighting& sighting) const {
    if (!aggregate_.attribute) return true;
    return buckets() ? sighting.bucket.has_value() : sighting.value.has_value();
  }
  Group& GroupOf(const std::vector<Label>& labels) {
    Group& group = groups_[labels];
    group.cells.resize(axis_.intervals);
    return group;
  }
  std::vector<Label> LabelsOf(const Trace& trace, uint32_t row) const;
  Sighting SightingOf(const Trace& trace, uint32_t row, size_t interval,
                      const Value& value) const;
  std::vector<Series> SeriesOf(const std::vector<Label>& labels,
                               const Group& group) const;
  double SampleOf(const Cell& cell) const;
  std::vector<Series> Quantiles(const std::vector<Label>& labels,
                                const Group& group) const;
  std::vector<Series> Histogram(const std::vector<Label>& labels,
                                const Group& group) const;
  static void AddExemplar(const Sighting& sighting, double value,
                          Series* series);

  const MetricsAggregate& aggregate_;
  const TimeAxis& axis_;
  double divisor_ = 1;
  std::map<std::vector<Label>, Group, LabelOrder> groups_;
};

std::vector<Label> Builder::LabelsOf(const Trace& trace, uint32_t row) const {
  std::vector<Label> labels;
  for (const traceql::Attribute& by : aggregate_.by) {
    labels.push_back(
        {ToString(by), ToStatic(FieldEvaluator::Evaluate(trace, row, by))});
  }
  return labels;
}

Sighting Builder::SightingOf(const Trace& trace, uint32_t row, size_t interval,
                             const Value& value) const {
  Sighting out;
  out.interval = interval;
  out.exemplar.interval = interval;
  out.exemplar.timestamp_ms =
      static_cast<int64_t>(trace.start(row) / 1'000'000);
  out.exemplar.labels = {{"trace:id", Static(trace.id())}};
  if (!value.numeric() || std::isnan(value.Number())) return out;
  const bool duration = value.type == Type::kDuration;
  out.value = value.Number() / (duration ? kNanosPerSecond : 1);
  if (value.type != Type::kFloat && value.AsInt() >= 2) {
    out.bucket = PowerBucketOf(value.bits);
  }
  out.exemplar.labels.push_back(
      {ToString(*aggregate_.attribute), ToStatic(value)});
  return out;
}

double Builder::SampleOf(const Cell& cell) const {
  const std::vector<Cell::Number>& numbers = cell.numbers;
  if (aggregate_.op == MetricsOp::kRate) return cell.spans / axis_.Seconds();
  if (aggregate_.op == MetricsOp::kCountOverTime) return cell.spans;
  if (numbers.empty()) return kNoSample;
  double sum = 0;
  double least = numbers.front().value;
  double most = least;
  for (const auto& [value, weight] : numbers) {
    sum += value * weight;
    least = std::min(least, value);
    most = std::max(most, value);
  }
  switch (aggregate_.op) {
    case MetricsOp::kMinOverTime:
      return least;
    case MetricsOp::kMaxOverTime:
      return most;
    case MetricsOp::kSumOverTime:
      return sum;
    default:
      return sum / cell.spans;
  }
}

// At most two an interval, the first that were seen.
void Builder::AddExemplar(const Sighting& sighting, double value,
                          Series* series) {
  const auto present = std::count_if(
      series->exemplars.begin(), series->exemplars.end(),
      [&](const Exemplar& e) { return e.interval == sighting.interval; });
  if (present >= static_cast<ptrdiff_t>(kExemplarsAnInterval)) return;
  Exemplar exemplar = sighting.exemplar;
  exemplar.value = value;
  exemplar.labels.insert(exemplar.labels.begin(), series->labels.begin(),
                         series->labels.end());
  series->exemplars.push_back(std::move(exemplar));
}

std::vector<Series> Builder::SeriesOf(const std::vector<Label>& labels,
                                      const Group& group) const {
  const std::vector<Label> shown = aggregate_.by.empty()
                                       ? UngroupedLabels(aggregate_.op)
                                       : GroupedLabels(labels);
  if (aggregate_.op == MetricsOp::kQuantileOverTime) {
    return Quantiles(shown, group);
  }
  if (aggregate_.op == MetricsOp::kHistogramOverTime) {
    return Histogram(shown, group);
  }
  Series series;
  series.labels = shown;
  for (const Cell& cell : group.cells) series.values.push_back(SampleOf(cell));
  for (const Sighting& sighting : group.sightings) {
    AddExemplar(sighting,
                sighting.value.value_or(series.values[sighting.interval]),
                &series);
  }
  return {series};
}

std::vector<Series> Builder::Quantiles(const std::vector<Label>& labels,
                                       const Group& group) const {
  std::vector<Series> out;
  std::vector<double> quantiles;
  for (const double q : aggregate_.quantiles) {
    if (std::count(quantiles.begin(), quantiles.end(), q) != 0) continue;
    quantiles.push_back(q);
    Series& series = out.emplace_back();
    series.labels = labels;
    series.labels.push_back({"p", Static(q)});
    for (const Cell& cell : group.cells) {
      series.values.push_back(QuantileOf(cell.buckets, q, divisor_));
    }
  }
  // An exemplar goes where it is nearest.
  for (const Sighting& sighting : group.sightings) {
    const auto distance = [&sighting](const Series& series) {
      return std::abs(series.values[sighting.interval] - *sighting.value);
    };
    const auto nearest = std::min_element(
        out.begin(), out.end(), [&](const Series& a, const Series& b) {
          return distance(a) < distance(b);
        });
    AddExemplar(sighting, *sighting.value, &*nearest);
  }
  return out;
}

std::vector<Series> Builder::Histogram(const std::vector<Label>& labels,
                                       const Group& group) const {
  std::map<uint8_t, Series> by_bucket;
  for (size_t i = 0; i < group.cells.size(); ++i) {
    for (const auto& [bucket, count] : group.cells[i].buckets) {
      Series& series = by_bucket[bucket];
      series.values.resize(group.cells.size(), 0);
      series.values[i] = count;
    }
  }
  for (auto& [bucket, series] : by_bucket) {
    series.labels = labels;
    series.labels.push_back({"__bucket", Static(BoundOf(bucket, divisor_))});
  }
  for (const Sighting& sighting : group.sightings) {
    Series& series = by_bucket[*sighting.bucket];
    AddExemplar(sighting, series.values[sighting.interval], &series);
  }
  std::vector<Series> out;
  for (auto& [bucket, series] : by_bucket) out.push_back(std::move(series));
  return out;
}

}  // namespace

std::unique_ptr<SeriesBuilder> MakeSeriesBuilder(
    const MetricsAggregate& aggregate, const TimeAxis& axis) {
  return std::make_unique<Builder>(aggregate, axis);
}

}  // namespace khtrace::query::reference
