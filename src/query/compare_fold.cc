// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "query/metrics_fold.h"
#include "query/series.h"

// compare(): how often each value of each attribute occurs on the selected
// spans, and on the others.

namespace khtrace::query {
namespace {

using storage::FrameColumn;
using traceql::Static;
using traceql::Type;

constexpr int64_t kDefaultTop = 10;
// Values of one attribute that are counted. Beyond it the answer says so
// instead of listing values.
constexpr size_t kMaxValues = 100'000;
// Values times intervals of a frame, for each of its rows, that are counted in
// a table.
constexpr uint64_t kCellsOfRow = 4;
// Distinct numbers of a frame: with more of them the table is no shorter way.
constexpr size_t kMaxCodes = 10'000;
constexpr uint32_t kNoCode = UINT32_MAX;

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

  // The rows of a frame that count.
  struct Counted {
    struct Row {
      uint32_t row = 0;
      bool selected = false;
      uint64_t interval = 0;
    };
    std::vector<Row> rows;
    uint64_t first_interval = UINT64_MAX;
    uint64_t last_interval = 0;
  };

  Result<Mask> Selected(FrameEval& eval, const Mask& rows,
                        const std::vector<uint64_t>& starts);
  Result<Counted> RowsOf(FrameEval& eval, const Mask& rows);
  // Each of these counts one attribute, whose leaf is loaded.
  void CountOne(FrameEval& eval, const FoldPlan::Compared& compared,
                const Counted& counted, double weight, Attribute* attribute);
  // Of any leaf.
  void CountRows(FrameEval& eval, const FoldPlan::Compared& compared,
                 const Counted& counted, double weight, Attribute* attribute);
  // Where a column's codes stand for the values: each value is looked at once,
  // however many spans have it.
  void CountCodes(const FrameColumn& column, const FoldPlan::Compared& compared,
                  const Counted& counted, double weight, Attribute* attribute);
  // The same for a column of numbers. False: there are too many, and nothing
  // was counted.
  bool CountBits(FrameEval& eval, const FrameColumn& column,
                 const FoldPlan::Compared& compared, const Counted& counted,
                 double weight, Attribute* attribute);
  // `codes`: by counted row, places in `values` or kNoCode.
  void CountTable(std::span<const uint32_t> codes,
                  std::span<const std::optional<uint64_t>> values,
                  const Counted& counted, double weight, Attribute* attribute);
  // Nothing: it does not count.
  static std::optional<uint64_t> NumberOf(const Value& value,
                                          const FoldPlan::Compared& compared,
                                          Attribute* attribute);
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

Result<CompareFold::Counted> CompareFold::RowsOf(FrameEval& eval,
                                                 const Mask& rows) {
  RETURN_IF_ERROR(eval.Load(plan_.start));
  const std::vector<uint64_t>& starts =
      eval.column(plan_.start.columns[0]).bits;
  ASSIGN_OR_RETURN(const Mask selected, Selected(eval, rows, starts));
  Counted counted;
  for (uint32_t row = 0; row < rows.size(); ++row) {
    if (rows[row] == 0) continue;
    const size_t interval = axis_.IndexOf(starts[row]);
    if (interval == TimeAxis::kOutside) continue;
    counted.rows.push_back({row, selected[row] != 0, interval});
    counted.first_interval = std::min(counted.first_interval, interval);
    counted.last_interval = std::max(counted.last_interval, interval);
  }
  return counted;
}

std::optional<uint64_t> CompareFold::NumberOf(
    const Value& value, const FoldPlan::Compared& compared,
    Attribute* attribute) {
  if (value.nil()) return {};
  if (compared.skip_empty && value.type == Type::kString &&
      value.text.empty()) {
    return {};
  }
  attribute->too_many |= attribute->values.size() >= kMaxValues;
  return attribute->too_many ? 0 : attribute->values.Add(value);
}

void CompareFold::CountRows(FrameEval& eval, const FoldPlan::Compared& compared,
                            const Counted& counted, double weight,
                            Attribute* attribute) {
  const Leaf& leaf = compared.value.leaf;
  const FrameColumn* column = eval.ColumnOf(leaf);
  const bool sparse = column != nullptr && !column->present.empty();
  const bool of_trace = !leaf.parent && (leaf.kind == Leaf::Kind::kRootName ||
                                         leaf.kind == Leaf::Kind::kRootService);
  uint32_t trace = UINT32_MAX;  // of the row before
  std::optional<uint64_t> number;
  for (const Counted::Row& row : counted.rows) {
    if (sparse && column->present[row.row] == 0) continue;
    const uint32_t own = of_trace ? eval.tree().trace_of(row.row) : UINT32_MAX;
    if (!of_trace || own != trace) {
      number =
          NumberOf(eval.ValueOf(compared.value, row.row), compared, attribute);
      trace = own;
    }
    if (!number) continue;
    Counts& counts = row.selected ? attribute->selection : attribute->baseline;
    counts[*number * axis_.intervals + row.interval] += weight;
  }
}

bool CompareFold::CountBits(FrameEval& eval, const FrameColumn& column,
                            const FoldPlan::Compared& compared,
                            const Counted& counted, double weight,
                            Attribute* attribute) {
  // Numbers in order of first sight, and a row that has each.
  boost::unordered_flat_map<uint64_t, uint32_t> numbers;
  std::vector<uint32_t> rows;
  std::vector<uint32_t> codes;
  codes.reserve(counted.rows.size());
  for (const Counted::Row& row : counted.rows) {
    if (!column.present.empty() && column.present[row.row] == 0) {
      codes.push_back(kNoCode);
      continue;
    }
    const auto [at, added] = numbers.try_emplace(
        column.bits[row.row], static_cast<uint32_t>(rows.size()));
    if (added) rows.push_back(row.row);
    if (rows.size() > kMaxCodes) return false;
    codes.push_back(at->second);
  }
  std::vector<std::optional<uint64_t>> values;
  for (const uint32_t row : rows) {
    values.push_back(
        NumberOf(eval.ValueOf(compared.value, row), compared, attribute));
  }
  CountTable(codes, values, counted, weight, attribute);
  return true;
}

void CompareFold::CountCodes(const FrameColumn& column,
                             const FoldPlan::Compared& compared,
                             const Counted& counted, double weight,
                             Attribute* attribute) {
  const storage::FrameDictionary& dictionary = *column.dictionary;
  std::vector<uint8_t> seen(dictionary.values.size());
  std::vector<uint32_t> codes;
  codes.reserve(counted.rows.size());
  for (const Counted::Row& row : counted.rows) {
    codes.push_back(column.codes[row.row]);
    seen[codes.back()] = 1;
  }
  std::vector<std::optional<uint64_t>> values(dictionary.values.size());
  for (size_t code = 0; code < values.size(); ++code) {
    if (seen[code] == 0 || dictionary.present[code] == 0) continue;
    values[code] =
        NumberOf(FromAttribute(dictionary.values[code]), compared, attribute);
  }
  CountTable(codes, values, counted, weight, attribute);
}

void CompareFold::CountTable(std::span<const uint32_t> codes,
                             std::span<const std::optional<uint64_t>> values,
                             const Counted& counted, double weight,
                             Attribute* attribute) {
  // A frame's spans lie close together: few intervals.
  const uint64_t intervals = counted.last_interval - counted.first_interval + 1;
  const uint64_t of_code = 2 * intervals;
  const auto count = [&](uint64_t number, bool selected, uint64_t interval,
                         double spans) {
    Counts& counts = selected ? attribute->selection : attribute->baseline;
    counts[number * axis_.intervals + interval] += spans;
  };
  if (values.size() * intervals > kCellsOfRow * counted.rows.size()) {
    for (size_t i = 0; i < codes.size(); ++i) {
      const Counted::Row& row = counted.rows[i];
      if (codes[i] == kNoCode || !values[codes[i]]) continue;
      count(*values[codes[i]], row.selected, row.interval, weight);
    }
    return;
  }
  std::vector<uint32_t> cells(values.size() * of_code);
  for (size_t i = 0; i < codes.size(); ++i) {
    const Counted::Row& row = counted.rows[i];
    if (codes[i] == kNoCode) continue;
    ++cells[codes[i] * of_code + 2 * (row.interval - counted.first_interval) +
            (row.selected ? 1 : 0)];
  }
  for (size_t cell = 0; cell < cells.size(); ++cell) {
    const std::optional<uint64_t>& number = values[cell / of_code];
    if (cells[cell] == 0 || !number) continue;
    count(*number, cell % 2 == 1, counted.first_interval + cell % of_code / 2,
          weight * cells[cell]);
  }
}

void CompareFold::CountOne(FrameEval& eval, const FoldPlan::Compared& compared,
                           const Counted& counted, double weight,
                           Attribute* attribute) {
  using Form = FrameColumn::Form;
  const FrameColumn* column = eval.ColumnOf(compared.value.leaf);
  const Form form = column == nullptr ? Form::kValues : column->form;
  if (form == Form::kAbsent) return;
  if (form == Form::kCodes) {
    CountCodes(*column, compared, counted, weight, attribute);
  } else if (form == Form::kValues ||
             !CountBits(eval, *column, compared, counted, weight, attribute)) {
    CountRows(eval, compared, counted, weight, attribute);
  }
}

Status CompareFold::Add(FrameEval& eval, const Mask& rows, double weight) {
  ASSIGN_OR_RETURN(const Counted counted, RowsOf(eval, rows));
  if (counted.rows.empty()) return {};
  for (size_t i = 0; i < attributes_.size(); ++i) {
    const FoldPlan::Compared& compared = plan_.compared[i];
    RETURN_IF_ERROR(eval.Load(compared.value));
    CountOne(eval, compared, counted, weight, &attributes_[i]);
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
