// SPDX-License-Identifier: Apache-2.0
#include "analysis/path_sums.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace khtrace::analysis {
namespace {

// Two-sided 95 % of the normal distribution.
constexpr double kZ = 1.96;
// Traces between looks at the deadline: some milliseconds of work.
constexpr size_t kBlock = 256;
constexpr size_t kInWords = 3;

double VarianceOfMean(double nanos, double squares, double traces) {
  if (traces < 2) return 0;
  const double mean = nanos / traces;
  const double variance =
      std::max(0.0, squares / traces - mean * mean) * traces / (traces - 1);
  return variance / traces;
}

std::string Millis(double nanos) {
  return fmt::format("{:.3g} ms", nanos / 1e6);
}

std::string InWords(const PathComparison& comparison, uint64_t a_traces,
                    std::string_view a_name, uint64_t b_traces,
                    std::string_view b_name) {
  if (a_traces == 0 || b_traces == 0) {
    return fmt::format("There are no traces of {} to compare.",
                       a_traces == 0 ? a_name : b_name);
  }
  const PathDifference& total = comparison.total;
  std::string words = fmt::format(
      "The mean trace of {} takes {} {} than that of {} ({} against {})",
      b_name, Millis(std::fabs(total.difference)),
      total.difference < 0 ? "less" : "more", a_name, Millis(total.b_nanos),
      Millis(total.a_nanos));
  for (size_t i = 0; i < comparison.operations.size() && i < kInWords; ++i) {
    const PathDifference& d = comparison.operations[i];
    fmt::format_to(std::back_inserter(words), "{} {} {} {}{}",
                   i == 0 ? ":" : ",", d.service, d.operation,
                   d.difference < 0 ? "−" : "+",
                   Millis(std::fabs(d.difference)));
  }
  return words + ".";
}

}  // namespace

Result<PathTable> PathTable::Make(const RequestContext& context,
                                  const TraceSample& sample) {
  PathTable table(sample);
  Retiming retiming;
  for (uint32_t t = 0; t < sample.traces.size(); ++t) {
    if (t % kBlock == 0) RETURN_IF_ERROR(context.Check());
    const TraceSample::Trace& trace = sample.traces[t];
    const auto spans = sample.SpansOf(trace);
    if (spans.empty()) continue;
    retiming.Set(spans, trace.root);
    if (retiming.duration() == 0) continue;
    Row row;
    row.trace = t;
    row.duration = retiming.duration();
    row.first = static_cast<uint32_t>(table.pieces_.size());
    for (size_t i = 0; i < spans.size(); ++i) {
      const uint64_t nanos = retiming.critical()[i];
      if (nanos > 0) table.pieces_.push_back({spans[i].operation, nanos});
    }
    const auto first = table.pieces_.begin() + row.first;
    std::sort(first, table.pieces_.end(), [](const Piece& a, const Piece& b) {
      return a.operation < b.operation;
    });
    auto last = first;
    for (auto piece = first; piece != table.pieces_.end(); ++piece) {
      if (last != first && std::prev(last)->operation == piece->operation) {
        std::prev(last)->nanos += piece->nanos;
      } else {
        *last++ = *piece;
      }
    }
    table.pieces_.erase(last, table.pieces_.end());
    row.end = static_cast<uint32_t>(table.pieces_.size());
    table.rows_.push_back(row);
  }
  std::stable_sort(
      table.rows_.begin(), table.rows_.end(),
      [](const Row& a, const Row& b) { return a.duration < b.duration; });
  return table;
}

uint64_t PercentileOf(const std::vector<uint64_t>& sorted, uint32_t percent) {
  if (sorted.empty()) return 0;
  const size_t rank = (sorted.size() * percent + 99) / 100;
  return sorted[std::max<size_t>(rank, 1) - 1];
}

void PathSums::Add(const PathTable& table, const PathTable::Row& row) {
  durations_.push_back(row.duration);
  const auto add = [](uint64_t nanos, Sums* sums) {
    const auto value = static_cast<double>(nanos);
    ++sums->traces;
    sums->nanos += value;
    sums->squares += value * value;
  };
  add(row.duration, &total_);
  for (const PathTable::Piece& piece : table.PiecesOf(row)) {
    const auto& operation = table.sample().operations[piece.operation];
    add(piece.nanos, &operations_[{operation.service, operation.name}]);
  }
}

PathSet PathSums::Report(std::string name, size_t max_operations) const {
  PathSet set;
  set.name = std::move(name);
  set.traces = traces();
  if (durations_.empty()) return set;
  std::vector<uint64_t> sorted = durations_;
  std::sort(sorted.begin(), sorted.end());
  const auto count = static_cast<double>(traces());
  set.mean_nanos = total_.nanos / count;
  set.least_nanos = sorted.front();
  set.p50_nanos = PercentileOf(sorted, 50);
  set.p95_nanos = PercentileOf(sorted, 95);
  set.p99_nanos = PercentileOf(sorted, 99);
  set.greatest_nanos = sorted.back();
  for (const auto& [operation, sums] : operations_) {
    set.shares.push_back({std::string(operation.first),
                          std::string(operation.second), sums.traces,
                          sums.nanos / count, sums.nanos / total_.nanos});
  }
  std::stable_sort(set.shares.begin(), set.shares.end(),
                   [](const BandShare& a, const BandShare& b) {
                     return a.mean_nanos > b.mean_nanos;
                   });
  if (set.shares.size() > max_operations) set.shares.resize(max_operations);
  return set;
}

PathDifference PathSums::Difference(const PathSums& b, const Sums& of_a,
                                    const Sums& of_b) const {
  const auto a_count = static_cast<double>(traces());
  const auto b_count = static_cast<double>(b.traces());
  PathDifference difference;
  difference.a_nanos = of_a.nanos / a_count;
  difference.b_nanos = of_b.nanos / b_count;
  difference.a_share = of_a.nanos / total_.nanos;
  difference.b_share = of_b.nanos / b.total_.nanos;
  difference.difference = difference.b_nanos - difference.a_nanos;
  const double half =
      kZ * std::sqrt(VarianceOfMean(of_a.nanos, of_a.squares, a_count) +
                     VarianceOfMean(of_b.nanos, of_b.squares, b_count));
  difference.interval = {difference.difference - half,
                         difference.difference + half};
  return difference;
}

PathComparison PathSums::Compare(const PathSums& a, std::string_view a_name,
                                 const PathSums& b, std::string_view b_name,
                                 size_t max_operations) {
  PathComparison comparison;
  if (a.traces() > 0 && b.traces() > 0) {
    comparison.total = a.Difference(b, a.total_, b.total_);
    std::map<Name, std::pair<Sums, Sums>> both;
    for (const auto& [name, sums] : a.operations_) both[name].first = sums;
    for (const auto& [name, sums] : b.operations_) both[name].second = sums;
    for (const auto& [name, sums] : both) {
      PathDifference& made = comparison.operations.emplace_back(
          a.Difference(b, sums.first, sums.second));
      made.service = name.first;
      made.operation = name.second;
    }
  }
  std::stable_sort(comparison.operations.begin(), comparison.operations.end(),
                   [](const PathDifference& x, const PathDifference& y) {
                     return std::fabs(x.difference) > std::fabs(y.difference);
                   });
  if (comparison.operations.size() > max_operations) {
    comparison.operations.resize(max_operations);
  }
  comparison.summary =
      InWords(comparison, a.traces(), a_name, b.traces(), b_name);
  return comparison;
}

namespace {

// The operations with most time on the paths: number, time.
std::vector<uint32_t> MostTime(const PathTable& table, size_t most) {
  std::vector<uint64_t> nanos(table.sample().operations.size());
  for (const PathTable::Row& row : table.rows()) {
    for (const PathTable::Piece& piece : table.PiecesOf(row)) {
      nanos[piece.operation] += piece.nanos;
    }
  }
  std::vector<uint32_t> order;
  for (uint32_t i = 0; i < nanos.size(); ++i) {
    if (nanos[i] > 0) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return nanos[a] > nanos[b]; });
  if (order.size() > most) order.resize(most);
  return order;
}

}  // namespace

Result<std::vector<PathWhatIf>> WhatIfFaster(const RequestContext& context,
                                             const PathTable& table,
                                             uint32_t percent,
                                             size_t max_operations) {
  const std::vector<uint32_t> operations = MostTime(table, max_operations);
  const TraceSample& sample = table.sample();
  const std::vector<PathTable::Row>& rows = table.rows();
  std::vector<uint32_t> place(sample.operations.size(), UINT32_MAX);
  for (uint32_t i = 0; i < operations.size(); ++i) place[operations[i]] = i;
  std::vector<uint64_t> before;
  for (const PathTable::Row& row : rows) before.push_back(row.duration);
  std::vector<std::vector<uint64_t>> after(operations.size(), before);
  std::vector<PathWhatIf> answers(operations.size());
  Retiming retiming;
  for (size_t r = 0; r < rows.size(); ++r) {
    if (r % kBlock == 0) RETURN_IF_ERROR(context.Check());
    const TraceSample::Trace& trace = sample.traces[rows[r].trace];
    retiming.Set(sample.SpansOf(trace), trace.root);
    // What is not on the path changes nothing.
    for (const PathTable::Piece& piece : table.PiecesOf(rows[r])) {
      const uint32_t i = place[piece.operation];
      if (i == UINT32_MAX) continue;
      const uint64_t made = retiming.DurationIf(piece.operation, percent);
      after[i][r] = made;
      ++answers[i].traces;
      answers[i].mean_saving += static_cast<double>(rows[r].duration - made);
    }
  }
  for (size_t i = 0; i < operations.size(); ++i) {
    PathWhatIf& answer = answers[i];
    answer.service = sample.operations[operations[i]].service;
    answer.operation = sample.operations[operations[i]].name;
    answer.mean_saving /= static_cast<double>(rows.size());
    std::sort(after[i].begin(), after[i].end());
    const auto saved = [&](uint32_t p) {
      return PercentileOf(before, p) - PercentileOf(after[i], p);
    };
    answer.p50_saving = saved(50);
    answer.p95_saving = saved(95);
    answer.p99_saving = saved(99);
  }
  std::stable_sort(answers.begin(), answers.end(),
                   [](const PathWhatIf& a, const PathWhatIf& b) {
                     return a.p95_saving > b.p95_saving;
                   });
  return answers;
}

}  // namespace khtrace::analysis
