// SPDX-License-Identifier: Apache-2.0
#include "query/metrics_fold.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/release.h"
#include "query/series.h"

namespace khtrace::query {
namespace {

using storage::FrameColumn;
using traceql::MetricsOp;
using traceql::Static;
using traceql::Type;

constexpr double kNoSample = std::numeric_limits<double>::quiet_NaN();
constexpr double kNanosPerSecond = 1e9;
constexpr size_t kBuckets = 65;
constexpr size_t kExemplarsAnInterval = 2;
constexpr uint32_t kNoGroup = UINT32_MAX;

// The number of a span as a sample: durations in seconds; NaN: none.
double NumberOf(const Value& value) {
  if (!value.numeric()) return kNoSample;
  const double number = value.Number();
  return value.type == Type::kDuration ? number / kNanosPerSecond : number;
}

// Where times lie on the axis; quick for times near the last one.
class IntervalFinder {
 public:
  explicit IntervalFinder(const TimeAxis& axis) : axis_(axis) {}

  size_t Find(uint64_t time) {
    if (time - low_ < width_) return interval_;
    interval_ = axis_.IndexOf(time);
    width_ = 0;
    if (interval_ != TimeAxis::kOutside) {
      low_ = axis_.start_ns + interval_ * axis_.step_ns + 1;
      width_ = axis_.step_ns;
    }
    return interval_;
  }

 private:
  const TimeAxis& axis_;
  uint64_t low_ = 0;
  uint64_t width_ = 0;
  size_t interval_ = 0;
};

class Fold : public MetricsFold {
 public:
  Fold(const FoldPlan& plan, const TimeAxis& axis, size_t exemplars)
      : plan_(plan),
        axis_(axis),
        op_(plan.aggregate->op),
        exemplars_wanted_(exemplars),
        labels_(plan.by.size()) {
    if (counts_only() && plan.by.empty()) group_ = *AddGroup({});
    if (plan.aggregate->attribute &&
        traceql::TypeOf(*plan.aggregate->attribute) == Type::kDuration) {
      divisor_ = kNanosPerSecond;
    }
  }

  Status Add(FrameEval& eval, const Mask& rows, double weight) override;
  Status Merge(const MetricsFold& other) override;
  void Seal() override;
  size_t MemoryBytes() const override {
    size_t bytes = (counts_.capacity() + numbers_.capacity()) * sizeof(double) +
                   (group_of_.capacity() + group_of_code_.capacity()) * 4 +
                   sealed_.capacity() * sizeof(SealedCell) + sizeof(Fold) +
                   keys_.size() * (groups_.empty() ? 40 : 96) +
                   sightings_.size() * sizeof(Sighting);
    for (const ValueNumbers& label : labels_) bytes += label.MemoryBytes();
    return bytes;
  }
  std::vector<Series> Take() override;

 private:
  using GroupKey = std::vector<uint32_t>;  // of the by attributes' values
  struct GroupHash {
    size_t operator()(const GroupKey& key) const {
      size_t hash = 0;
      for (const uint32_t n : key) hash = hash * 0x9E3779B97F4A7C15 + n + 1;
      return hash ^ (hash >> 29);
    }
  };
  struct Sighting {
    uint32_t group = 0;
    size_t interval = 0;
    double value = kNoSample;
    uint8_t bucket = 0;
    bool has_bucket = false;
    Static attribute;
    std::string trace_id;
    int64_t timestamp_ms = 0;
  };

  // A cell that is not empty.
  struct SealedCell {
    uint32_t group;
    uint32_t cell;  // of the group
    double count;
    double number;
  };

  bool counts_only() const {
    return op_ == MetricsOp::kRate || op_ == MetricsOp::kCountOverTime;
  }
  bool extreme() const {
    return op_ == MetricsOp::kMinOverTime || op_ == MetricsOp::kMaxOverTime;
  }
  bool buckets() const {
    return op_ == MetricsOp::kQuantileOverTime ||
           op_ == MetricsOp::kHistogramOverTime;
  }
  size_t CellsOfGroup() const {
    return axis_.intervals * (buckets() ? kBuckets : 1);
  }
  template <typename Visit>  // void(const SealedCell&)
  void ForEachCell(const Visit& visit) const;
  Result<uint32_t> AddGroup(const GroupKey& key);
  Status FindGroups(FrameEval& eval, const Mask& rows);
  Status GroupByCodes(const FrameColumn& column, const Mask& rows);
  void AddCounts(const Mask& rows, const std::vector<uint64_t>& starts,
                 double weight);
  Status AddValues(FrameEval& eval, const Mask& rows,
                   const std::vector<uint64_t>& starts, double weight);
  // `number`: of `count` spans, the sum or the extreme of theirs.
  void AddNumber(size_t cell, double number, double count);
  // What the value of a span adds, which counts as `weight`.
  double NumberWeighted(double number, double weight) const {
    return extreme() ? number : number * weight;
  }
  Status AddExemplars(FrameEval& eval, const Mask& rows,
                      const std::vector<uint64_t>& starts);
  void Keep(Sighting sighting);

  std::vector<Label> LabelsOf(uint32_t group) const;
  double SampleOf(size_t cell) const;
  PowerBuckets BucketsOf(uint32_t group, size_t interval) const;
  void TakeQuantiles(uint32_t group, std::vector<Series>* out) const;
  void TakeHistogram(uint32_t group, std::vector<Series>* out) const;
  void TakePlain(uint32_t group, std::vector<Series>* out) const;
  void AddExemplar(const Sighting& sighting, double value,
                   Series* series) const;

  const FoldPlan& plan_;
  const TimeAxis axis_;
  const MetricsOp op_;
  const size_t exemplars_wanted_;
  double divisor_ = 1;
  std::vector<ValueNumbers> labels_;  // by attribute of the plan
  boost::unordered_flat_map<GroupKey, uint32_t, GroupHash> groups_;
  std::vector<GroupKey> keys_;      // by group
  std::vector<uint32_t> group_of_;  // by row of the current frame
  uint32_t group_ = kNoGroup;       // the only one, without by()
  // By group and interval (and bucket).
  std::vector<double> counts_;
  std::vector<double> numbers_;     // sum, minimum or maximum
  std::vector<SealedCell> sealed_;  // instead of both, after Seal
  std::vector<Sighting> sightings_;
  // What GroupByCodes found out about the dictionary seen last.
  std::shared_ptr<const storage::FrameDictionary> dictionary_;
  std::vector<uint32_t> group_of_code_;
};

Result<uint32_t> Fold::AddGroup(const GroupKey& key) {
  const auto fresh = static_cast<uint32_t>(keys_.size());
  const auto [at, added] = groups_.try_emplace(key, fresh);
  if (!added) return at->second;
  const size_t cells = (keys_.size() + 1) * CellsOfGroup();
  constexpr size_t kGroupBytes = 256;  // its keys, its place in the table
  size_t bytes = cells * 2 * sizeof(double) + keys_.size() * kGroupBytes;
  for (const ValueNumbers& label : labels_) bytes += label.MemoryBytes();
  if (bytes > kMaxFoldBytes) {
    return Error{
        Code::kResourceExhausted,
        fmt::format("the query makes more than {} series of {} "
                    "intervals, which is over the limit of {} MiB; "
                    "group by fewer values, or use a larger step",
                    keys_.size(), axis_.intervals, kMaxFoldBytes >> 20)};
  }
  keys_.push_back(key);
  counts_.resize(cells, 0);
  if (!counts_only() && !buckets()) numbers_.resize(cells, 0);
  return fresh;
}

// One attribute with few values: a group for each code.
Status Fold::GroupByCodes(const FrameColumn& column, const Mask& rows) {
  if (dictionary_ != column.dictionary) {
    dictionary_ = column.dictionary;
    group_of_code_.assign(dictionary_->values.size(), kNoGroup);
  }
  group_of_.resize(rows.size());
  for (size_t row = 0; row < rows.size(); ++row) {
    if (rows[row] == 0) continue;
    const uint32_t code = column.codes[row];
    uint32_t& group = group_of_code_[code];
    if (group == kNoGroup) {
      const Value value = dictionary_->present[code] != 0
                              ? FromAttribute(dictionary_->values[code])
                              : Value();
      ASSIGN_OR_RETURN(group, AddGroup({labels_[0].Add(value)}));
    }
    group_of_[row] = group;
  }
  return {};
}

Status Fold::FindGroups(FrameEval& eval, const Mask& rows) {
  if (plan_.by.empty()) {
    if (group_ == kNoGroup && AnySet(rows)) {
      ASSIGN_OR_RETURN(group_, AddGroup({}));
    }
    group_of_.assign(rows.size(), group_);
    return {};
  }
  for (const Expr& by : plan_.by) RETURN_IF_ERROR(eval.Load(by));
  if (plan_.by.size() == 1) {
    const FrameColumn* column = eval.ColumnOf(plan_.by[0].leaf);
    if (column != nullptr && column->form == FrameColumn::Form::kCodes) {
      return GroupByCodes(*column, rows);
    }
  }
  group_of_.resize(rows.size());
  GroupKey key(plan_.by.size());
  for (uint32_t row = 0; row < rows.size(); ++row) {
    if (rows[row] == 0) continue;
    for (size_t i = 0; i < key.size(); ++i) {
      key[i] = labels_[i].Add(eval.ValueOf(plan_.by[i], row));
    }
    ASSIGN_OR_RETURN(group_of_[row], AddGroup(key));
  }
  return {};
}

void Fold::AddCounts(const Mask& rows, const std::vector<uint64_t>& starts,
                     double weight) {
  IntervalFinder finder(axis_);
  for (size_t row = 0; row < rows.size(); ++row) {
    if (rows[row] == 0) continue;
    const size_t interval = finder.Find(starts[row]);
    if (interval == TimeAxis::kOutside) continue;
    counts_[group_of_[row] * axis_.intervals + interval] += weight;
  }
}

void Fold::AddNumber(size_t cell, double number, double count) {
  double& known = numbers_[cell];
  if (counts_[cell] == 0) {
    known = number;
  } else if (op_ == MetricsOp::kMinOverTime) {
    known = std::min(known, number);
  } else if (op_ == MetricsOp::kMaxOverTime) {
    known = std::max(known, number);
  } else {
    known += number;
  }
  counts_[cell] += count;
}

Status Fold::AddValues(FrameEval& eval, const Mask& rows,
                       const std::vector<uint64_t>& starts, double weight) {
  RETURN_IF_ERROR(eval.Load(*plan_.value));
  // Only rows that count make a group.
  Mask counted = rows;
  std::vector<Value> values(rows.size());
  std::vector<uint32_t> intervals(rows.size());
  IntervalFinder finder(axis_);
  for (uint32_t row = 0; row < rows.size(); ++row) {
    if (rows[row] == 0) continue;
    const size_t interval = finder.Find(starts[row]);
    values[row] = eval.ValueOf(*plan_.value, row);
    const Value& value = values[row];
    const bool counts = buckets()
                            ? value.numeric() && value.type != Type::kFloat &&
                                  value.AsInt() >= 2
                            : !std::isnan(NumberOf(value));
    counted[row] = counts && interval != TimeAxis::kOutside;
    intervals[row] = static_cast<uint32_t>(interval);
  }
  RETURN_IF_ERROR(FindGroups(eval, counted));
  for (uint32_t row = 0; row < rows.size(); ++row) {
    if (counted[row] == 0) continue;
    const size_t cell = group_of_[row] * axis_.intervals + intervals[row];
    if (buckets()) {
      counts_[cell * kBuckets + PowerBucketOf(values[row].bits)] += weight;
    } else {
      AddNumber(cell, NumberWeighted(NumberOf(values[row]), weight), weight);
    }
  }
  return {};
}

Status Fold::Add(FrameEval& eval, const Mask& rows, double weight) {
  RETURN_IF_ERROR(eval.Load(plan_.start));
  const std::vector<uint64_t>& starts =
      eval.column(plan_.start.columns[0]).bits;
  if (plan_.value) {
    RETURN_IF_ERROR(AddValues(eval, rows, starts, weight));
  } else {
    // A group that has no span on the axis is none.
    Mask counted = rows;
    if (!plan_.by.empty()) {
      IntervalFinder finder(axis_);
      for (size_t row = 0; row < rows.size(); ++row) {
        if (rows[row] == 0) continue;
        counted[row] = finder.Find(starts[row]) != TimeAxis::kOutside;
      }
    }
    RETURN_IF_ERROR(FindGroups(eval, counted));
    AddCounts(counted, starts, weight);
  }
  return exemplars_wanted_ > 0 ? AddExemplars(eval, rows, starts) : Status();
}

// Some rows, spread evenly over the frame.
Status Fold::AddExemplars(FrameEval& eval, const Mask& rows,
                          const std::vector<uint64_t>& starts) {
  const auto selected =
      static_cast<size_t>(std::count(rows.begin(), rows.end(), 1));
  if (selected == 0) return {};
  RETURN_IF_ERROR(eval.tree().Load());
  ASSIGN_OR_RETURN(const std::vector<model::TraceId>* ids,
                   eval.frame().TraceIds());
  const size_t stride = (selected - 1) / exemplars_wanted_ + 1;
  size_t number = 0;
  for (uint32_t row = 0; row < rows.size(); ++row) {
    if (rows[row] == 0 || number++ % stride != 0) continue;
    Sighting sighting;
    sighting.interval = axis_.IndexOf(starts[row]);
    if (sighting.interval == TimeAxis::kOutside) continue;
    if (plan_.value) {
      const Value value = eval.ValueOf(*plan_.value, row);
      sighting.value = NumberOf(value);
      if (std::isnan(sighting.value)) continue;
      sighting.has_bucket = value.type != Type::kFloat && value.AsInt() >= 2;
      if (buckets() && !sighting.has_bucket) continue;
      if (sighting.has_bucket) sighting.bucket = PowerBucketOf(value.bits);
      sighting.attribute = ToStatic(value);
    }
    sighting.group = group_of_[row];
    sighting.trace_id = (*ids)[eval.tree().trace_of(row)].ToHex();
    sighting.timestamp_ms = static_cast<int64_t>(starts[row] / 1'000'000);
    Keep(std::move(sighting));
  }
  return {};
}

void Fold::Keep(Sighting sighting) {
  const auto same = std::count_if(sightings_.begin(), sightings_.end(),
                                  [&](const Sighting& known) {
                                    return known.group == sighting.group &&
                                           known.interval == sighting.interval;
                                  });
  if (same >= static_cast<ptrdiff_t>(kExemplarsAnInterval)) return;
  sightings_.push_back(std::move(sighting));
}

template <typename Visit>
void Fold::ForEachCell(const Visit& visit) const {
  for (const SealedCell& cell : sealed_) visit(cell);
  const size_t width = CellsOfGroup();
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    visit(SealedCell{static_cast<uint32_t>(i / width),
                     static_cast<uint32_t>(i % width), counts_[i],
                     numbers_.empty() ? 0 : numbers_[i]});
  }
}

// Most cells of a unit's fold are empty: its spans lie close together in time.
void Fold::Seal() {
  std::vector<SealedCell> cells;
  ForEachCell([&](const SealedCell& cell) { cells.push_back(cell); });
  sealed_ = std::move(cells);
  sealed_.shrink_to_fit();
  Release(counts_);
  Release(numbers_);
  Release(group_of_);
  dictionary_ = nullptr;
  Release(group_of_code_);
  Release(groups_);
  for (ValueNumbers& label : labels_) label.Seal();
}

Status Fold::Merge(const MetricsFold& base) {
  const auto& other = static_cast<const Fold&>(base);
  std::vector<uint32_t> groups;
  for (const GroupKey& key : other.keys_) {
    GroupKey own;
    for (size_t i = 0; i < key.size(); ++i) {
      own.push_back(labels_[i].Add(other.labels_[i].value(key[i])));
    }
    ASSIGN_OR_RETURN(const uint32_t group, AddGroup(own));
    groups.push_back(group);
  }
  other.ForEachCell([&](const SealedCell& cell) {
    const size_t to = groups[cell.group] * CellsOfGroup() + cell.cell;
    if (numbers_.empty()) {
      counts_[to] += cell.count;
    } else {
      AddNumber(to, cell.number, cell.count);
    }
  });
  for (const Sighting& sighting : other.sightings_) {
    Sighting own = sighting;
    own.group = groups[sighting.group];
    Keep(std::move(own));
  }
  return {};
}

std::vector<Label> Fold::LabelsOf(uint32_t group) const {
  if (plan_.by.empty()) return UngroupedLabels(op_);
  std::vector<Label> labels;
  for (size_t i = 0; i < plan_.by.size(); ++i) {
    labels.push_back({traceql::ToString(plan_.aggregate->by[i]),
                      ToStatic(labels_[i].value(keys_[group][i]))});
  }
  return GroupedLabels(std::move(labels));
}

double Fold::SampleOf(size_t cell) const {
  const double count = counts_[cell];
  if (op_ == MetricsOp::kRate) return count / axis_.Seconds();
  if (op_ == MetricsOp::kCountOverTime) return count;
  if (count == 0) return kNoSample;
  return op_ == MetricsOp::kAvgOverTime ? numbers_[cell] / count
                                        : numbers_[cell];
}

PowerBuckets Fold::BucketsOf(uint32_t group, size_t interval) const {
  PowerBuckets out;
  const size_t cell = (group * axis_.intervals + interval) * kBuckets;
  for (size_t b = 0; b < kBuckets; ++b) {
    if (counts_[cell + b] != 0) {
      out[static_cast<uint8_t>(b)] = counts_[cell + b];
    }
  }
  return out;
}

void Fold::AddExemplar(const Sighting& sighting, double value,
                       Series* series) const {
  Exemplar exemplar;
  exemplar.labels = series->labels;
  exemplar.labels.push_back({"trace:id", Static(sighting.trace_id)});
  if (plan_.aggregate->attribute) {
    exemplar.labels.push_back(
        {traceql::ToString(*plan_.aggregate->attribute), sighting.attribute});
  }
  exemplar.interval = sighting.interval;
  exemplar.timestamp_ms = sighting.timestamp_ms;
  exemplar.value = value;
  series->exemplars.push_back(std::move(exemplar));
}

void Fold::TakePlain(uint32_t group, std::vector<Series>* out) const {
  Series series;
  series.labels = LabelsOf(group);
  for (size_t i = 0; i < axis_.intervals; ++i) {
    series.values.push_back(SampleOf(group * axis_.intervals + i));
  }
  for (const Sighting& sighting : sightings_) {
    if (sighting.group != group) continue;
    AddExemplar(sighting,
                std::isnan(sighting.value) ? series.values[sighting.interval]
                                           : sighting.value,
                &series);
  }
  out->push_back(std::move(series));
}

void Fold::TakeQuantiles(uint32_t group, std::vector<Series>* out) const {
  const size_t first = out->size();
  std::vector<double> done;
  for (const double q : plan_.aggregate->quantiles) {
    if (std::find(done.begin(), done.end(), q) != done.end()) continue;
    done.push_back(q);
    Series& series = out->emplace_back();
    if (!plan_.by.empty()) series.labels = LabelsOf(group);
    series.labels.push_back({"p", Static(q)});
    for (size_t i = 0; i < axis_.intervals; ++i) {
      series.values.push_back(QuantileOf(BucketsOf(group, i), q, divisor_));
    }
  }
  // An exemplar goes where it is nearest.
  for (const Sighting& sighting : sightings_) {
    if (sighting.group != group) continue;
    const auto nearest = std::min_element(
        out->begin() + static_cast<ptrdiff_t>(first), out->end(),
        [&](const Series& x, const Series& y) {
          return std::abs(x.values[sighting.interval] - sighting.value) <
                 std::abs(y.values[sighting.interval] - sighting.value);
        });
    AddExemplar(sighting, sighting.value, &*nearest);
  }
}

void Fold::TakeHistogram(uint32_t group, std::vector<Series>* out) const {
  for (size_t b = 0; b < kBuckets; ++b) {
    Series series;
    bool any = false;
    for (size_t i = 0; i < axis_.intervals; ++i) {
      const double count =
          counts_[(group * axis_.intervals + i) * kBuckets + b];
      any |= count != 0;
      series.values.push_back(count);
    }
    if (!any) continue;
    const auto bucket = static_cast<uint8_t>(b);
    if (!plan_.by.empty()) series.labels = LabelsOf(group);
    series.labels.push_back({"__bucket", Static(BoundOf(bucket, divisor_))});
    for (const Sighting& sighting : sightings_) {
      if (sighting.group != group || sighting.bucket != bucket) continue;
      AddExemplar(sighting, series.values[sighting.interval], &series);
    }
    out->push_back(std::move(series));
  }
}

std::vector<Series> Fold::Take() {
  std::vector<Series> out;
  for (uint32_t g = 0; g < keys_.size(); ++g) {
    if (op_ == MetricsOp::kQuantileOverTime) {
      TakeQuantiles(g, &out);
    } else if (op_ == MetricsOp::kHistogramOverTime) {
      TakeHistogram(g, &out);
    } else {
      TakePlain(g, &out);
    }
  }
  return out;
}

}  // namespace

uint32_t ValueNumbers::Add(const Value& value) {
  const auto found = numbers_.find(value);
  if (found != numbers_.end()) return found->second;
  Value kept = value;
  kept.text = texts_.emplace_front(value.text);
  text_bytes_ += value.text.size();
  const auto number = static_cast<uint32_t>(values_.size());
  values_.push_back(kept);
  numbers_.emplace(kept, number);
  return number;
}

void ValueNumbers::Seal() {
  Release(numbers_);
  sealed_texts_ = std::make_unique<char[]>(text_bytes_);
  char* to = sealed_texts_.get();
  for (Value& value : values_) {
    to = std::copy(value.text.begin(), value.text.end(), to);
    value.text = {to - value.text.size(), value.text.size()};
  }
  values_.shrink_to_fit();
  texts_.clear();
  sealed_ = true;
}

std::unique_ptr<MetricsFold> MakeFold(const FoldPlan& plan,
                                      const TimeAxis& axis, size_t exemplars) {
  return std::make_unique<Fold>(plan, axis, exemplars);
}

}  // namespace khtrace::query
