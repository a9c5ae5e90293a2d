// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "query/metrics_fold.h"
#include "query/series.h"

// compare(): how often each value of each attribute occurs on the selected
// spans, and on the others.

namespace khtrace::query {
namespace {

using traceql::Static;
using traceql::Type;

constexpr int64_t kDefaultTop = 10;
// Values of one attribute that are counted. Beyond it the answer says so
// instead of listing values.
constexpr size_t kMaxValues = 100'000;

class CompareFold : public MetricsFold {
 public:
  CompareFold(const FoldPlan& plan, const TimeAxis& axis)
      : plan_(plan), axis_(axis), attributes_(plan.compared.size()) {}

  Status Add(FrameEval& eval, const Mask& rows, double weight) override;
  Status Merge(const MetricsFold& other) override;
  size_t MemoryBytes() const override {
    size_t bytes = 0;
    for (const Attribute& a : attributes_) {
      bytes += a.values.MemoryBytes() +
               (a.baseline.size() + a.selection.size()) * 24;
    }
    return bytes;
  }
  std::vector<Series> Take() override;

 private:
  // Spans by (value, interval): number of the value * intervals + interval.
  using Counts = boost::unordered_flat_map<uint64_t, double>;
  struct Attribute {
    ValueNumbers values;
    Counts baseline;
    Counts selection;
    bool too_many = false;
  };

  Result<Mask> Selected(FrameEval& eval, const Mask& rows,
                        const std::vector<uint64_t>& starts);
  void AddTop(const std::string& side, const std::string& key,
              const Attribute& attribute, const Counts& counts,
              const std::map<uint64_t, double>& totals,
              std::vector<Series>* out) const;
  void TakeSide(const std::string& side, const std::string& key,
                const Attribute& attribute, const Counts& counts,
                std::vector<Series>* out) const;

  const FoldPlan& plan_;
  const TimeAxis axis_;
  std::vector<Attribute> attributes_;
};

Result<Mask> CompareFold::Selected(FrameEval& eval, const Mask& rows,
                                   const std::vector<uint64_t>& starts) {
  Mask selected = rows;
  RETURN_IF_ERROR(eval.Filter(*plan_.selection, &selected));
  const auto& arguments = *plan_.aggregate->compare;
  const auto start = static_cast<uint64_t>(arguments.start_ns.value_or(0));
  const auto end = static_cast<uint64_t>(arguments.end_ns.value_or(0));
  if (end == 0) return selected;
  for (size_t row = 0; row < rows.size(); ++row) {
    selected[row] &= starts[row] > start && starts[row] <= end;
  }
  return selected;
}

Status CompareFold::Add(FrameEval& eval, const Mask& rows, double weight) {
  RETURN_IF_ERROR(eval.Load(plan_.start));
  const std::vector<uint64_t>& starts =
      eval.column(plan_.start.columns[0]).bits;
  ASSIGN_OR_RETURN(const Mask selected, Selected(eval, rows, starts));
  std::vector<std::pair<uint32_t, uint64_t>> counted;  // row, interval
  for (uint32_t row = 0; row < rows.size(); ++row) {
    if (rows[row] == 0) continue;
    const size_t interval = axis_.IndexOf(starts[row]);
    if (interval != TimeAxis::kOutside) counted.emplace_back(row, interval);
  }
  for (size_t i = 0; i < attributes_.size(); ++i) {
    const FoldPlan::Compared& compared = plan_.compared[i];
    Attribute& attribute = attributes_[i];
    RETURN_IF_ERROR(eval.Load(compared.value));
    for (const auto& [row, interval] : counted) {
      const Value value = eval.ValueOf(compared.value, row);
      if (value.nil()) continue;
      if (compared.skip_empty && value.type == Type::kString &&
          value.text.empty()) {
        continue;
      }
      attribute.too_many |= attribute.values.size() >= kMaxValues;
      const uint64_t number =
          attribute.too_many ? 0 : attribute.values.Add(value);
      Counts& counts =
          selected[row] != 0 ? attribute.selection : attribute.baseline;
      counts[number * axis_.intervals + interval] += weight;
    }
    RETURN_IF_ERROR(eval.TakeError());
    eval.Forget(compared.value.leaf);
  }
  if (MemoryBytes() <= kMaxFoldBytes) return {};
  return Error{Code::kResourceExhausted,
               fmt::format("compare() counts more values than fit into {} MiB; "
                           "narrow its time range or the spans before it",
                           kMaxFoldBytes >> 20)};
}

Status CompareFold::Merge(const MetricsFold& base) {
  const auto& other = static_cast<const CompareFold&>(base);
  for (size_t i = 0; i < attributes_.size(); ++i) {
    Attribute& to = attributes_[i];
    const Attribute& from = other.attributes_[i];
    to.too_many |= from.too_many;
    const auto add = [&](const Counts& counts, Counts* sum) {
      for (const auto& [cell, count] : counts) {
        to.too_many |= to.values.size() >= kMaxValues;
        const uint64_t number =
            to.too_many ? 0
                        : to.values.Add(from.values.value(
                              static_cast<uint32_t>(cell / axis_.intervals)));
        (*sum)[number * axis_.intervals + cell % axis_.intervals] += count;
      }
    };
    add(from.baseline, &to.baseline);
    add(from.selection, &to.selection);
  }
  return {};
}

// Series of the most frequent values alone.
void CompareFold::AddTop(const std::string& side, const std::string& key,
                         const Attribute& attribute, const Counts& counts,
                         const std::map<uint64_t, double>& totals,
                         std::vector<Series>* out) const {
  struct Ranked {
    double total = 0;
    Static value;
    uint64_t number = 0;
  };
  std::vector<Ranked> ranked;
  for (const auto& [number, total] : totals) {
    const Value& value = attribute.values.value(static_cast<uint32_t>(number));
    ranked.push_back({total, ToStatic(value), number});
  }
  std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
    if (a.total != b.total) return a.total > b.total;
    return Order(a.value, b.value) < 0;
  });
  const auto top = static_cast<size_t>(
      plan_.aggregate->compare->top_n.value_or(kDefaultTop));
  if (ranked.size() > top) ranked.resize(top);
  boost::unordered_flat_map<uint64_t, size_t> places;
  for (const Ranked& r : ranked) {
    places[r.number] = out->size();
    out->push_back({{{"__meta_type", Static(side)}, {key, r.value}},
                    std::vector<double>(axis_.intervals),
                    {}});
  }
  for (const auto& [cell, count] : counts) {
    const auto place = places.find(cell / axis_.intervals);
    if (place == places.end()) continue;
    (*out)[place->second].values[cell % axis_.intervals] += count;
  }
}

void CompareFold::TakeSide(const std::string& side, const std::string& key,
                           const Attribute& attribute, const Counts& counts,
                           std::vector<Series>* out) const {
  if (counts.empty()) return;
  std::map<uint64_t, double> totals;  // by value
  std::vector<double> total(axis_.intervals);
  for (const auto& [cell, count] : counts) {
    totals[cell / axis_.intervals] += count;
    total[cell % axis_.intervals] += count;
  }
  if (attribute.too_many) {
    out->push_back(
        {{{"__meta_error", Static(std::string("__too_many_values__"))},
          {"__meta_type", Static(side)},
          {key, {}}},
         total,
         {}});
  } else {
    AddTop(side, key, attribute, counts, totals, out);
  }
  out->push_back(
      {{{"__meta_type", Static(side + "_total")}, {key, {}}}, total, {}});
}

std::vector<Series> CompareFold::Take() {
  std::vector<Series> out;
  for (size_t i = 0; i < attributes_.size(); ++i) {
    const Attribute& attribute = attributes_[i];
    const std::string& key = plan_.compared[i].key;
    TakeSide("baseline", key, attribute, attribute.baseline, &out);
    TakeSide("selection", key, attribute, attribute.selection, &out);
  }
  return out;
}

}  // namespace

std::unique_ptr<MetricsFold> MakeCompareFold(const FoldPlan& plan,
                                             const TimeAxis& axis) {
  return std::make_unique<CompareFold>(plan, axis);
}

}  // namespace khtrace::query
