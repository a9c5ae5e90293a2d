// SPDX-License-Identifier: Apache-2.0
#include "query/reference/testing.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "base/text.h"
#include "query/reference/test_judge.h"
#include "query/reference/testing_file.h"
#include "traceql/checker.h"
#include "traceql/parser.h"

namespace khtrace::query::reference {
namespace {

using Lines = std::vector<std::string>;

std::string ShortHex(std::string hex) {
  hex.erase(0, std::min(hex.find_first_not_of('0'), hex.size() - 1));
  return hex;
}

std::string Shown(const std::vector<NamedValue>& values) {
  std::string out;
  for (const NamedValue& value : values) {
    if (!out.empty()) out += ", ";
    out += value.key + " = " + traceql::ToString(value.value);
  }
  return out;
}

std::string Shown(const std::vector<Label>& labels) {
  std::string out;
  for (const Label& label : labels) {
    if (!out.empty()) out += ", ";
    out += label.key + "=" + traceql::ToString(label.value);
  }
  return fmt::format("{{{}}}", out);
}

std::string Shown(double sample) {
  return std::isnan(sample) ? "-" : fmt::format("{:.9g}", sample);
}

std::string Shown(std::chrono::nanoseconds::rep nanos) {
  return FormatGoDuration(std::chrono::nanoseconds(nanos));
}

std::string ShownTrace(const TraceHit& trace) {
  std::string out = ShortHex(trace.trace_id.ToHex()) + ": ";
  if (trace.has_root) {
    out +=
        fmt::format("root \"{}\" \"{}\"", trace.root_service, trace.root_name);
  } else {
    out += "no root";
  }
  out += fmt::format(" start {} duration {}",
                     Shown(static_cast<int64_t>(trace.start.ns)),
                     Shown(static_cast<int64_t>(trace.duration_nanos)));
  for (const ServiceStats& stats : trace.services) {
    out += fmt::format(" \"{}\"={}/{}", stats.service, stats.span_count,
                       stats.error_count);
  }
  return out;
}

Lines Render(const SearchResult& result, const SemanticsCase& c) {
  Lines lines;
  for (const TraceHit& trace : result.traces) {
    if (c.show_traces) lines.push_back(ShownTrace(trace));
    for (const Spanset& set : trace.spansets) {
      std::string line = ShortHex(trace.trace_id.ToHex()) + ":";
      for (const SpanHit& span : set.spans) {
        line += fmt::format(" {}", ShortHex(span.span_id.ToHex()));
        if (c.show_values) line += fmt::format("{{{}}}", Shown(span.values));
      }
      if (set.matched != set.spans.size()) {
        line += fmt::format(" of {}", set.matched);
      }
      if (!set.values.empty()) line += fmt::format(" | {}", Shown(set.values));
      lines.push_back(line);
    }
  }
  return lines;
}

Lines Render(const MetricsResult& result, const SemanticsCase& c) {
  Lines lines;
  if (c.show_times) {
    std::string line = "@";
    for (size_t i = 0; i < result.axis.intervals; ++i) {
      line += fmt::format(" {}", result.axis.TimestampMs(i));
    }
    lines.push_back(line);
  }
  for (const Series& series : result.series) {
    std::string line = Shown(series.labels);
    for (const double sample : series.values)
      line += fmt::format(" {}", Shown(sample));
    lines.push_back(line);
    if (!c.show_exemplars) continue;
    for (const Exemplar& exemplar : series.exemplars) {
      lines.push_back(fmt::format("^{} {} @{} {}", exemplar.interval,
                                  Shown(exemplar.value), exemplar.timestamp_ms,
                                  Shown(exemplar.labels)));
    }
  }
  if (result.partial)
    lines.push_back(fmt::format("partial: {}", result.message));
  return lines;
}

// Writes the samples of a series' line as Render does.
std::string Canonical(const std::string& line) {
  const size_t end = line.rfind("} ");
  if (line[0] != '{' || end == std::string::npos) return line;
  std::string out = line.substr(0, end + 1);
  const char* at = line.c_str() + end + 2;
  while (*at != 0) {
    char* stop = nullptr;
    const double sample = std::strtod(at, &stop);
    if (stop == at) {
      out += fmt::format(" {}", *at);
      stop = const_cast<char*>(at) + 1;
    } else {
      out += fmt::format(" {}", Shown(sample));
    }
    at = stop;
    while (*at == ' ') ++at;
  }
  return out;
}

Lines ExpectedOf(const SemanticsCase& c) {
  if (c.error) return {fmt::format("! …{}…", *c.error)};
  Lines lines;
  for (const std::string& line : c.expected) {
    if (line != "nothing") lines.push_back(Canonical(line));
  }
  return lines;
}

Result<Lines> Run(const SemanticsCase& c, const Engine& engine) {
  ASSIGN_OR_RETURN(const traceql::Query query, traceql::ParseQuery(c.query));
  RETURN_IF_ERROR(traceql::CheckQuery(query));
  // What a search makes of a metrics query is asked for by `values` alone.
  if (query.is_metrics() && !c.show_values) {
    MetricsRequest request = c.metrics;
    request.query = &query;
    request.judge = &TestJudge();
    ASSIGN_OR_RETURN(const MetricsResult result,
                     engine.metrics(c.store->traces, request));
    return Render(result, c);
  }
  SearchRequest request = c.search;
  request.query = &query;
  request.judge = &TestJudge();
  ASSIGN_OR_RETURN(const SearchResult result,
                   engine.search(c.store->traces, request));
  return Render(result, c);
}

std::string Joined(const Lines& lines) {
  std::string out;
  for (const std::string& line : lines) out += "    " + line + "\n";
  return out.empty() ? "    nothing\n" : out;
}

void RunCase(const SemanticsCase& c, const Engine& engine,
             SemanticsReport* report) {
  ++report->cases;
  const Lines expected = ExpectedOf(c);
  const Result<Lines> actual = Run(c, engine);
  Lines came;
  bool good = false;
  if (actual) {
    came = *actual;
    good = !c.error && came == expected;
    if (!c.error && c.expected.empty()) {
      good = false;
      came.push_back("(the case expects neither lines nor an error)");
    }
  } else {
    came = {"! " + actual.error().message};
    good =
        c.error && actual.error().message.find(*c.error) != std::string::npos;
  }
  if (good) return;
  report->failures.push_back(fmt::format("{}: {}\n  expected\n{}  came\n{}",
                                         c.where, c.query, Joined(expected),
                                         Joined(came)));
}

}  // namespace

SemanticsReport RunSemantics(const std::string& path, const Engine& engine) {
  SemanticsReport report;
  const auto cases = ReadSemantics(path);
  if (!cases) {
    report.failures.push_back(cases.error().message);
    return report;
  }
  for (const SemanticsCase& c : *cases) RunCase(c, engine, &report);
  return report;
}

}  // namespace khtrace::query::reference
