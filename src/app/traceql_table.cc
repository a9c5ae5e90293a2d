// SPDX-License-Identifier: Apache-2.0
#include "app/traceql_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "app/csv.h"
#include "app/text_format.h"
#include "base/text.h"

namespace khtrace::app {
namespace {

constexpr size_t kStartWidth = 23;
constexpr size_t kDurationWidth = 9;
constexpr size_t kMatchedWidth = 7;
constexpr size_t kIdWidth = 32;
constexpr size_t kSpanNameWidth = 30;

std::string AttributesText(const NamedTexts& attributes) {
  std::string text;
  for (const auto& [key, value] : attributes) {
    if (!text.empty()) text += "  ";
    text.append(key).append("=").append(value);
  }
  return text;
}

class TraceTable {
 public:
  explicit TraceTable(const Terminal& terminal) : terminal_(terminal) {
    // The id is never cut: it is there to be copied.
    const size_t fixed =
        kStartWidth + kDurationWidth + kMatchedWidth + kIdWidth + 4 * 2;
    root_width_ = std::max<size_t>(
        terminal.width > fixed ? terminal.width - fixed : 0, 20);
  }

  std::string Render(const std::vector<FoundTrace>& traces) {
    Line(Style::kDim,
         fmt::format("{:<{}}  {:>{}}  {:>{}}  {}  {}", "Start (UTC)",
                     kStartWidth, "Duration", kDurationWidth, "Matched",
                     kMatchedWidth, FitLeft(terminal_, "Root", root_width_),
                     "Trace id"));
    for (const FoundTrace& trace : traces) Trace(trace);
    return std::move(out_);
  }

 private:
  void Line(Style style, std::string_view text) {
    out_ += Paint(terminal_, style, text);
    out_ += '\n';
  }

  void Trace(const FoundTrace& trace) {
    uint64_t matched = 0;
    for (const FoundSpanset& set : trace.spansets) matched += set.matched;
    const std::string root =
        trace.root_name.empty()
            ? trace.root_service
            : fmt::format("{}: {}", trace.root_service, trace.root_name);
    out_ += fmt::format(
        "{}  {}  {}  ", TimeText(trace.start),
        FitRight(terminal_, DurationText(terminal_, trace.duration_ns),
                 kDurationWidth),
        FitRight(terminal_, CountText(matched), kMatchedWidth));
    out_ += Paint(terminal_, Style::kBold,
                  FitLeft(terminal_, Printable(terminal_, root), root_width_));
    out_ += "  " + Printable(terminal_, trace.id) + '\n';
    for (const FoundSpanset& set : trace.spansets) Spanset(set);
  }

  void Spanset(const FoundSpanset& set) {
    if (!set.attributes.empty()) {
      Below("  ", Style::kYellow,
            fmt::format("{}  ({})", AttributesText(set.attributes),
                        Plural(set.matched, "span")));
    }
    for (const FoundSpan& span : set.spans) Span(span);
    if (set.matched > set.spans.size()) {
      Below("    ", Style::kDim,
            fmt::format("{} {} more", terminal_.utf8 ? "…" : "...",
                        CountText(set.matched - set.spans.size())));
    }
  }

  // Values that do not fit behind the name go below it.
  void Span(const FoundSpan& span) {
    const std::string name =
        Printable(terminal_, span.name.empty() ? "span " + span.id : span.name);
    std::string line = fmt::format(
        "{}  {}", FitLeft(terminal_, name, kSpanNameWidth),
        FitRight(terminal_, DurationText(terminal_, span.duration_ns),
                 kDurationWidth));
    for (const auto& [key, value] : span.attributes) {
      const std::string text =
          Printable(terminal_, fmt::format("{}={}", key, value));
      const size_t width = 4 + DisplayWidth(line) + 2 + DisplayWidth(text);
      if (width > terminal_.width) {
        Below("    ", Style::kDim, line);
        line.clear();
      }
      line += "  " + text;
    }
    Below("    ", Style::kDim, line);
  }

  void Below(std::string_view indent, Style style, std::string_view text) {
    out_ += indent;
    std::string printable = Printable(terminal_, text);
    printable.erase(printable.find_last_not_of(' ') + 1);
    Line(style, Truncate(terminal_, printable,
                         terminal_.width - DisplayWidth(indent)));
  }

  const Terminal& terminal_;
  size_t root_width_ = 0;
  std::string out_;
};

}  // namespace

std::string RenderTraces(const std::vector<FoundTrace>& traces,
                         const Terminal& terminal) {
  return TraceTable(terminal).Render(traces);
}

std::string TracesCsv(const std::vector<FoundTrace>& traces) {
  std::map<std::string, std::string_view> columns;
  const auto collect = [&columns](const NamedTexts& attributes) {
    for (const auto& [key, value] : attributes) columns[key];
  };
  for (const FoundTrace& trace : traces) {
    for (const FoundSpanset& set : trace.spansets) {
      collect(set.attributes);
      for (const FoundSpan& span : set.spans) collect(span.attributes);
    }
  }
  std::string out;
  CsvWriter csv(&out);
  for (const char* name :
       {"trace_id", "root_service", "root_name", "trace_start",
        "trace_duration_ms", "matched", "span_id", "span_name", "span_start",
        "span_duration_ns"}) {
    csv.Field(name);
  }
  for (const auto& [key, value] : columns) csv.Field(key);
  csv.EndLine();
  for (const FoundTrace& trace : traces) {
    for (const FoundSpanset& set : trace.spansets) {
      for (const FoundSpan& span : set.spans) {
        for (auto& [key, value] : columns) value = {};
        for (const auto& [key, value] : set.attributes) columns[key] = value;
        for (const auto& [key, value] : span.attributes) columns[key] = value;
        csv.Field(trace.id);
        csv.Field(trace.root_service);
        csv.Field(trace.root_name);
        csv.Field(FormatRfc3339(trace.start));
        csv.Field(std::to_string(trace.duration_ns / 1'000'000));
        csv.Field(std::to_string(set.matched));
        csv.Field(span.id);
        csv.Field(span.name);
        csv.Field(FormatRfc3339(span.start));
        csv.Field(std::to_string(span.duration_ns));
        for (const auto& [key, value] : columns) csv.Field(value);
        csv.EndLine();
      }
    }
  }
  return out;
}

}  // namespace khtrace::app
