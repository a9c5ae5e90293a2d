// SPDX-License-Identifier: Apache-2.0
#include "app/traceql_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "app/csv.h"
#include "app/text_format.h"
#include "base/text.h"

namespace khtrace::app {
namespace {

constexpr size_t kNumberWidth = 9;
constexpr size_t kMaxLabelWidth = 40;
constexpr size_t kMinCells = 20;
constexpr uint64_t kSecond = 1'000'000'000;
constexpr int64_t kNanosPerMilli = 1'000'000;

constexpr std::array<std::string_view, 8> kBlocks = {"▁", "▂", "▃", "▄",
                                                     "▅", "▆", "▇", "█"};
constexpr std::array<std::string_view, 8> kAscii = {"_", ".", ":", "-",
                                                    "=", "+", "*", "#"};

std::string LabelText(const FoundSeries& series) {
  if (series.labels.size() == 1 && series.labels[0].first == "__name__") {
    return series.labels[0].second;
  }
  std::string text;
  for (const auto& [key, value] : series.labels) {
    if (!text.empty()) text += ' ';
    text.append(key).append("=").append(value);
  }
  return text.empty() ? "(no labels)" : text;
}

std::string NumberText(double value) {
  const double size = std::abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-4)) {
    return fmt::format("{:.3g}", value);
  }
  return fmt::format("{:.4g}", value);
}

// What a number tells of the samples of one or of all series.
struct Extent {
  double least = std::numeric_limits<double>::infinity();
  double greatest = -std::numeric_limits<double>::infinity();
  int64_t first_ms = std::numeric_limits<int64_t>::max();
  int64_t last_ms = std::numeric_limits<int64_t>::min();

  void Add(const FoundSample& sample) {
    least = std::min(least, sample.value);
    greatest = std::max(greatest, sample.value);
    first_ms = std::min(first_ms, sample.time_ms);
    last_ms = std::max(last_ms, sample.time_ms);
  }
  bool empty() const { return last_ms < first_ms; }
};

Extent ExtentOf(const FoundSeries& series) {
  Extent extent;
  for (const FoundSample& sample : series.samples) extent.Add(sample);
  return extent;
}

// Of more than `limit` series those that reach highest, in their order.
std::vector<const FoundSeries*> Highest(const std::vector<FoundSeries>& series,
                                        size_t limit) {
  std::vector<std::pair<double, const FoundSeries*>> ranked;
  for (const FoundSeries& one : series) {
    ranked.emplace_back(ExtentOf(one).greatest, &one);
  }
  std::ranges::stable_sort(ranked, std::greater(),
                           [](const auto& rank) { return rank.first; });
  std::vector<const FoundSeries*> highest;
  for (const auto& [greatest, one] : ranked) {
    if (highest.size() < limit) highest.push_back(one);
  }
  std::ranges::sort(highest);  // by address: they lie in one vector
  return highest;
}

class Chart {
 public:
  Chart(const std::vector<FoundSeries>& series, size_t limit,
        const Terminal& terminal)
      : series_(Highest(series, limit)),
        hidden_(series.size() - series_.size()),
        terminal_(terminal) {
    for (const FoundSeries* one : series_) {
      for (const FoundSample& sample : one->samples) all_.Add(sample);
      label_width_ = std::max(
          label_width_, DisplayWidth(Printable(terminal, LabelText(*one))));
    }
    label_width_ = std::clamp<size_t>(label_width_, 6, kMaxLabelWidth);
    const size_t fixed = label_width_ + 3 * kNumberWidth + 4 * 2;
    cells_ = std::max(kMinCells,
                      terminal.width > fixed ? terminal.width - fixed : 0);
    FindSpacing();
  }

  std::string Render() {
    if (all_.empty()) return "the series have no samples\n";
    Header();
    for (const FoundSeries* one : series_) Line(*one);
    Legend();
    return std::move(out_);
  }

 private:
  // As many cells as there are samples, or fewer, so that no cell between two
  // samples stays empty.
  void FindSpacing() {
    int64_t step = std::numeric_limits<int64_t>::max();
    for (const FoundSeries* one : series_) {
      const std::vector<FoundSample>& samples = one->samples;
      for (size_t i = 1; i < samples.size(); ++i) {
        const int64_t gap = samples[i].time_ms - samples[i - 1].time_ms;
        if (gap > 0) step = std::min(step, gap);
      }
    }
    if (all_.empty() || step == std::numeric_limits<int64_t>::max()) {
      cells_ = 1;
      return;
    }
    step_ms_ = step;
    const auto samples = static_cast<size_t>((span_ms() / step) + 1);
    cells_ = std::min(cells_, samples);
  }

  int64_t span_ms() const { return all_.last_ms - all_.first_ms; }

  size_t CellOf(int64_t time_ms) const {
    if (cells_ == 1 || span_ms() == 0) return 0;
    const double place = static_cast<double>(time_ms - all_.first_ms) /
                         static_cast<double>(span_ms());
    return static_cast<size_t>(
        std::lround(place * static_cast<double>(cells_ - 1)));
  }

  std::string_view Bar(double value) const {
    const double floor = std::min(0.0, all_.least);
    const double height = all_.greatest - floor;
    const bool drawn = height > 0 && std::isfinite(height);
    const double share = drawn ? (value - floor) / height : 0;
    const auto level =
        static_cast<size_t>(std::clamp(std::ceil(share * 8) - 1, 0.0, 7.0));
    return terminal_.utf8 ? kBlocks[level] : kAscii[level];
  }

  // Of samples that share a cell the greatest is drawn.
  std::string Bars(const FoundSeries& series) const {
    std::vector<std::optional<double>> cells(cells_);
    for (const FoundSample& sample : series.samples) {
      std::optional<double>& cell = cells[CellOf(sample.time_ms)];
      cell = std::max(cell.value_or(sample.value), sample.value);
    }
    std::string bars;
    for (const auto& cell : cells) bars += cell ? Bar(*cell) : " ";
    return bars;
  }

  void Header() {
    out_ += Paint(terminal_, Style::kDim,
                  fmt::format("{}  {:<{}}  {:>{}}  {:>{}}  {:>{}}",
                              FitLeft(terminal_, "Series", label_width_), "",
                              cells_, "Min", kNumberWidth, "Max", kNumberWidth,
                              "Last", kNumberWidth));
    out_ += '\n';
  }

  void Line(const FoundSeries& series) {
    const std::string label = Printable(terminal_, LabelText(series));
    out_ += FitLeft(terminal_, label, label_width_) + "  ";
    out_ += Paint(terminal_, ServiceStyle(line_++), Bars(series));
    const Extent extent = ExtentOf(series);
    if (!extent.empty()) {
      out_ +=
          fmt::format("  {:>{}}  {:>{}}  {:>{}}", NumberText(extent.least),
                      kNumberWidth, NumberText(extent.greatest), kNumberWidth,
                      NumberText(series.samples.back().value), kNumberWidth);
    }
    out_ += '\n';
  }

  void Legend() {
    const auto time = [](int64_t ms) {
      return TimeText({static_cast<uint64_t>(std::max<int64_t>(ms, 0)) *
                       static_cast<uint64_t>(kNanosPerMilli)});
    };
    std::string text =
        fmt::format("{} to {} UTC", time(all_.first_ms), time(all_.last_ms));
    if (step_ms_ > 0) {
      text += fmt::format(", a sample every {}",
                          FormatGoDuration(std::chrono::nanoseconds(
                              step_ms_ * kNanosPerMilli)));
    }
    text += fmt::format(", full height {}", NumberText(all_.greatest));
    out_ += Paint(terminal_, Style::kDim, text) + '\n';
    if (hidden_ > 0) {
      out_ += Paint(terminal_, Style::kDim,
                    fmt::format("{} lower series: --limit shows more",
                                CountText(hidden_))) +
              '\n';
    }
  }

  const std::vector<const FoundSeries*> series_;
  const size_t hidden_;
  const Terminal& terminal_;
  Extent all_;
  size_t label_width_ = 0;
  size_t cells_ = kMinCells;
  int64_t step_ms_ = 0;  // 0: no two samples
  size_t line_ = 0;
  std::string out_;
};

}  // namespace

size_t ChartCells(const Terminal& terminal) {
  // Room for middling labels; with longer ones some samples share a cell.
  const size_t fixed = kMaxLabelWidth / 2 + 3 * kNumberWidth + 4 * 2;
  return std::max(kMinCells,
                  terminal.width > fixed ? terminal.width - fixed : 0);
}

uint64_t ChartStep(uint64_t range_ns, size_t cells) {
  constexpr std::array<uint64_t, 16> kSteps = {
      1,   2,   5,   10,   15,   30,   60,    120,
      300, 600, 900, 1800, 3600, 7200, 14400, 21600};
  // The interval before the first one is answered as well.
  const uint64_t wanted = range_ns / std::max<size_t>(cells - 1, 1);
  for (const uint64_t seconds : kSteps) {
    if (seconds * kSecond >= wanted) return seconds * kSecond;
  }
  return (wanted / (kSteps.back() * kSecond) + 1) * kSteps.back() * kSecond;
}

std::string RenderCharts(const std::vector<FoundSeries>& series, size_t limit,
                         const Terminal& terminal) {
  return Chart(series, limit, terminal).Render();
}

std::string SeriesCsv(const std::vector<FoundSeries>& series) {
  std::map<std::string, std::string_view> columns;
  for (const FoundSeries& one : series) {
    for (const auto& [key, value] : one.labels) columns[key];
  }
  std::string out;
  CsvWriter csv(&out);
  csv.Field("time");
  for (const auto& [key, value] : columns) csv.Field(key);
  csv.Field("value");
  csv.EndLine();
  for (const FoundSeries& one : series) {
    for (auto& [key, value] : columns) value = {};
    for (const auto& [key, value] : one.labels) columns[key] = value;
    for (const FoundSample& sample : one.samples) {
      csv.Field(FormatRfc3339(
          {static_cast<uint64_t>(std::max<int64_t>(sample.time_ms, 0)) *
           static_cast<uint64_t>(kNanosPerMilli)}));
      for (const auto& [key, value] : columns) csv.Field(value);
      csv.Field(fmt::format("{}", sample.value));
      csv.EndLine();
    }
  }
  return out;
}

}  // namespace khtrace::app
