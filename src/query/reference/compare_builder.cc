// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "query/reference/field.h"
#include "query/reference/series_builder.h"

namespace khtrace::query::reference {
namespace {

using model::AttrRange;
using model::SpanBatch;
using traceql::Attribute;
using traceql::AttributeScope;
using traceql::Intrinsic;
using traceql::Static;

constexpr int64_t kDefaultTop = 10;
constexpr Intrinsic kIntrinsics[] = {
    Intrinsic::kName,
    Intrinsic::kKind,
    Intrinsic::kStatus,
    Intrinsic::kStatusMessage,
    Intrinsic::kRootName,
    Intrinsic::kRootServiceName,
    Intrinsic::kChildCount,
    Intrinsic::kInstrumentationName,
    Intrinsic::kInstrumentationVersion,
};

// One label: an attribute and one of its values; nil stands for all.
using Key = std::vector<Label>;
using Counts = std::vector<double>;  // by interval

double Total(const Counts& counts) {
  double sum = 0;
  for (const double count : counts) sum += count;
  return sum;
}

class CompareBuilder : public SeriesBuilder {
 public:
  CompareBuilder(const traceql::CompareArguments& arguments,
                 const TimeAxis& axis)
      : arguments_(arguments), axis_(axis) {}

  Status Add(const Trace& trace, uint32_t row, size_t interval,
             double weight) override {
    ASSIGN_OR_RETURN(bool selected,
                     fields_.Holds(trace, row, arguments_.selection.condition));
    const auto start = static_cast<uint64_t>(arguments_.start_ns.value_or(0));
    const auto end = static_cast<uint64_t>(arguments_.end_ns.value_or(0));
    if (end != 0) {
      selected &= trace.start(row) > start && trace.start(row) <= end;
    }
    Side& side = selected ? selection_ : baseline_;
    for (const Label& label : LabelsOf(trace, row)) {
      Count({label}, interval, weight, &side.values);
      Count({{label.key, {}}}, interval, weight, &side.totals);
    }
    return {};
  }

  std::vector<Series> Take() override {
    std::vector<Series> out;
    Append("baseline", baseline_, &out);
    Append("selection", selection_, &out);
    return out;
  }

 private:
  using Table = std::map<Key, Counts, LabelOrder>;
  struct Side {
    Table values;
    Table totals;
  };

  void Count(const Key& key, size_t interval, double weight,
             Table* table) const {
    Counts& counts = (*table)[key];
    counts.resize(axis_.intervals, 0);
    counts[interval] += weight;
  }

  static std::vector<Label> LabelsOf(const Trace& trace, uint32_t row);
  void Append(const std::string& name, const Side& side,
              std::vector<Series>* out) const;

  const traceql::CompareArguments& arguments_;
  const TimeAxis& axis_;
  FieldEvaluator fields_;
  Side baseline_;
  Side selection_;
};

std::vector<Label> CompareBuilder::LabelsOf(const Trace& trace, uint32_t row) {
  const SpanBatch& batch = trace.batch();
  std::vector<Label> labels;
  const auto add = [&](AttributeScope scope, AttrRange range) {
    for (const model::Attr& attr : batch.Attributes(range)) {
      Attribute attribute;
      attribute.scope = scope;
      attribute.name = batch.Key(attr.key);
      const Value value = FromAttribute(batch.Value(attr));
      if (value.nil()) continue;
      labels.push_back({ToString(attribute), ToStatic(value)});
    }
  };
  add(AttributeScope::kSpan, batch.spans().attributes[row]);
  add(AttributeScope::kResource, batch.ResourceOf(row).attributes);
  add(AttributeScope::kInstrumentation, batch.ScopeOf(row).attributes);
  for (const Intrinsic intrinsic : kIntrinsics) {
    Attribute attribute;
    attribute.intrinsic = intrinsic;
    const Value value = FieldEvaluator::Evaluate(trace, row, attribute);
    // An empty status message or name of a missing root says nothing.
    const bool empty =
        value.type == traceql::Type::kString && value.text.empty();
    if (value.nil() || empty) continue;
    labels.push_back({ToString(attribute), ToStatic(value)});
  }
  return labels;
}

void CompareBuilder::Append(const std::string& name, const Side& side,
                            std::vector<Series>* out) const {
  const auto append = [out](const std::string& meta_type, const Key& key,
                            const Counts& counts) {
    Series series;
    series.labels = {{"__meta_type", Static(meta_type)}, key.front()};
    series.values = counts;
    out->push_back(std::move(series));
  };
  std::map<std::string, std::vector<Table::const_iterator>> by_attribute;
  for (auto it = side.values.begin(); it != side.values.end(); ++it) {
    by_attribute[it->first.front().key].push_back(it);
  }
  const auto top = static_cast<size_t>(arguments_.top_n.value_or(kDefaultTop));
  for (auto& [attribute, values] : by_attribute) {
    // Stable: of equally frequent ones the least value.
    std::stable_sort(values.begin(), values.end(),
                     [](const auto& a, const auto& b) {
                       return Total(a->second) > Total(b->second);
                     });
    if (values.size() > top) values.resize(top);
    for (const auto& it : values) append(name, it->first, it->second);
  }
  for (const auto& [key, counts] : side.totals) {
    append(name + "_total", key, counts);
  }
}

}  // namespace

std::unique_ptr<SeriesBuilder> MakeCompareBuilder(
    const traceql::CompareArguments& arguments, const TimeAxis& axis) {
  return std::make_unique<CompareBuilder>(arguments, axis);
}

}  // namespace khtrace::query::reference
