// SPDX-License-Identifier: Apache-2.0
#include "api/tracing_operation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <set>

#include "api/tracing_answer.h"
#include "api/tracing_errors.h"
#include "api/tracing_report.h"
#include "base/text.h"
#include "traceql/static_value.h"

namespace khtrace::api {
namespace {

using aggregate::LatencyHistogram;
using analysis::OperationAnalysis;
using analysis::OperationReport;
using net::HttpResponse;
using wire::JsonWriter;

// Bars that a histogram is drawn with at most: 35 bins an octave are too many.
constexpr uint32_t kMaxBars = 48;
constexpr size_t kMaxSimilar = 5;
constexpr size_t kMaxErrors = 10;

std::string Encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') ||
                       std::string_view("-._~").find(c) != std::string::npos;
    out += plain ? std::string(1, c)
                 : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string GradeAt(double nanos,
                    const std::optional<analysis::Targets>& targets) {
  if (!targets) return "";
  return std::string(analysis::GradeName(
      analysis::GradeOf(static_cast<uint64_t>(nanos), *targets)));
}

// Neighbouring bins are drawn as one bar, all bars equally wide by factor.
void PutHistogram(JsonWriter& w, const OperationReport& report) {
  const auto bins = report.durations.bins();
  w.Key("histogram");
  w.BeginArray();
  const uint32_t first =
      bins.empty() ? 0 : static_cast<uint32_t>(bins.front().index);
  const uint32_t last =
      bins.empty() ? 0 : static_cast<uint32_t>(bins.back().index);
  const uint32_t width = (last - first) / kMaxBars + 1;
  for (size_t i = 0; i < bins.size();) {
    const auto bar = (static_cast<uint32_t>(bins[i].index) - first) / width;
    const uint32_t from = first + bar * width;
    const uint32_t to = std::min(from + width, LatencyHistogram::kBins - 1);
    uint64_t count = 0;
    for (; i < bins.size() && bins[i].index < from + width; ++i) {
      count += bins[i].count;
    }
    w.BeginObject();
    PutDuration(w, "from_ms", LatencyHistogram::LeastOf(from));
    PutDuration(w, "to_ms", LatencyHistogram::LeastOf(to));
    PutCount(w, "count", count);
    PutOptional(w, "grade",
                GradeAt(LatencyHistogram::ValueOf(from), report.targets));
    w.EndObject();
  }
  w.EndArray();
}

// "grade_bands": what is between the bounds of the grades.
void PutBands(JsonWriter& w, const OperationReport& report) {
  w.Key("grade_bands");
  w.BeginArray();
  if (report.targets) {
    uint64_t from = 0;
    uint64_t below_before = 0;
    static constexpr std::string_view kNames[] = {"A", "B", "C", "D", "F"};
    for (size_t i = 0; i < 5; ++i) {
      const bool open = i == 4;
      const uint64_t to =
          open ? UINT64_MAX
               : static_cast<uint64_t>(report.targets->bands[i].count());
      const uint64_t below =
          open ? report.count : CallsBelow(report.durations, to);
      const uint64_t count = below - std::min(below, below_before);
      w.BeginObject();
      PutText(w, "grade", kNames[i]);
      PutDuration(w, "from_ms", from);
      if (open) {
        PutNull(w, "to_ms");
      } else {
        PutDuration(w, "to_ms", to);
      }
      PutCount(w, "count", count);
      PutFigure(w, "share",
                report.count == 0 ? 0
                                  : static_cast<double>(count) /
                                        static_cast<double>(report.count));
      w.EndObject();
      from = to;
      below_before = below;
    }
  }
  w.EndArray();
}

void PutChildren(JsonWriter& w, const OperationAnalysis& analysis) {
  PutFigure(w, "self_share", analysis.self_share);
  PutCount(w, "looked_at", analysis.looked_at);
  w.Key("children");
  w.BeginArray();
  for (const analysis::ChildShare& child : analysis.children) {
    w.BeginObject();
    PutText(w, "service", child.service);
    PutText(w, "operation", child.operation);
    PutFigure(w, "calls_per_call", child.calls_per_call);
    PutMillis(w, "mean_ms", child.mean_nanos);
    PutFigure(w, "share", child.share);
    w.EndObject();
  }
  w.EndArray();
}

// Where to go on: the slow calls, and what is different about them.
void PutLinks(JsonWriter& w, const OperationAnalysis& analysis) {
  const OperationReport& report = analysis.report;
  const auto text = [](const std::string& value) {
    return traceql::ToString(traceql::Static(value));
  };
  const std::string range =
      fmt::format("start={}&end={}", FormatRfc3339(analysis.window.start),
                  FormatRfc3339(analysis.window.end));
  const std::string spans =
      fmt::format("resource.service.name = {} && name = {}",
                  text(report.service), text(report.operation));
  const std::string slow =
      fmt::format("{{ {} && duration >= {} }}", spans,
                  FormatGoDuration(std::chrono::nanoseconds(
                      static_cast<int64_t>(std::min(report.p95, 9e18)))));
  w.Key("links");
  w.BeginObject();
  PutText(
      w, "slow_traces",
      fmt::format("/api/tracing/traces/search?q={}&{}", Encode(slow), range));
  PutText(
      w, "explain",
      fmt::format("/api/tracing/explain?selection={}&baseline={}&{}",
                  Encode(slow), Encode(fmt::format("{{ {} }}", spans)), range));
  PutText(w, "trend",
          fmt::format("/api/tracing/operations/{}/trend?service={}&{}",
                      Encode(report.operation), Encode(report.service), range));
  w.EndObject();
}

Result<HttpResponse> Unknown(TracingCall& call, const analysis::Window& window,
                             const std::string& name,
                             const std::string& service) {
  ASSIGN_OR_RETURN(const analysis::SnapshotPtr snapshot,
                   call.site.analyzer.Look(call.context, window));
  const std::vector<std::string> similar = SimilarOperations(*snapshot, name);
  std::string detail = fmt::format(
      "no span named '{}'{} began between {} and {}",
      SanitizeUtf8(name.substr(0, 200)),
      service.empty() ? ""
                      : fmt::format(" of service '{}'", SanitizeUtf8(service)),
      FormatRfc3339(snapshot->window.start),
      FormatRfc3339(snapshot->window.end));
  const std::string empty = EmptyHint(call, snapshot->window, snapshot->spans);
  if (!similar.empty()) {
    detail += fmt::format("; there are: {}", fmt::join(similar, ", "));
  } else if (!empty.empty()) {
    detail += "; " + empty;
  } else {
    detail += "; /api/tracing/operations lists those of the window";
  }
  return NotFoundProblem(SanitizeUtf8(detail), similar);
}

Result<HttpResponse> Analysis(TracingCall& call, const std::string& name) {
  analysis::OperationRequest request;
  request.window = call.params.Window();
  request.operation = name;
  request.service = call.params.Text("service");
  RETURN_IF_ERROR(CheckParams(call));
  auto analysis = call.site.analyzer.AnalyzeOperation(call.context, request);
  if (!analysis && analysis.error().code == Code::kNotFound) {
    return Unknown(call, request.window, name, request.service);
  }
  if (!analysis) return std::move(analysis).error();
  const OperationReport& report = analysis->report;
  ASSIGN_OR_RETURN(const auto errors,
                   call.site.analyzer.Errors(call.context, analysis->window));
  analysis::ErrorPatterns patterns;
  for (const analysis::ErrorPattern& pattern : *errors) {
    if (patterns.size() == kMaxErrors) break;
    const bool here = std::ranges::any_of(
        pattern.places, [&report](const analysis::ErrorPlace& place) {
          return place.service == report.service &&
                 place.operation == report.operation;
        });
    if (here) patterns.push_back(pattern);
  }
  return TracingAnswer(call.request, analysis->generated_at,
                       [&](JsonWriter& w) {
                         PutWindow(w, analysis->window);
                         PutOperation(w, report);
                         PutTargets(w, report.targets);
                         w.Key("other_services");
                         w.BeginArray();
                         for (const auto& service : analysis->other_services)
                           w.String(service);
                         w.EndArray();
                         PutBands(w, report);
                         PutHistogram(w, report);
                         PutSeries(w, "series", analysis->series);
                         PutChildren(w, *analysis);
                         PutRecommendations(w, analysis->recommendations);
                         PutPatterns(w, patterns);
                         PutLinks(w, *analysis);
                       });
}

Result<HttpResponse> Trend(TracingCall& call, const std::string& name) {
  const analysis::Window window = call.params.Window();
  std::string service = call.params.Text("service");
  RETURN_IF_ERROR(CheckParams(call));
  ASSIGN_OR_RETURN(const analysis::SnapshotPtr snapshot,
                   call.site.analyzer.Look(call.context, window));
  // The service with most calls, as the analysis takes it.
  const OperationReport* report = nullptr;
  for (const OperationReport& one : snapshot->operations) {
    const bool fits =
        one.operation == name && (service.empty() || one.service == service);
    if (fits && (report == nullptr || one.count > report->count)) {
      report = &one;
    }
  }
  if (report == nullptr) return Unknown(call, window, name, service);
  ASSIGN_OR_RETURN(const auto series,
                   call.site.analyzer.Series(call.context, window, 0,
                                             report->service, name));
  return TracingAnswer(call.request, snapshot->generated_at,
                       [&](JsonWriter& w) {
                         PutWindow(w, snapshot->window);
                         PutText(w, "operation", name);
                         PutText(w, "service", report->service);
                         PutTargets(w, report->targets);
                         PutSeries(w, "series", series);
                       });
}

}  // namespace

bool ContainsIgnoringCase(std::string_view text, std::string_view part) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  };
  const auto same = [lower](char a, char b) { return lower(a) == lower(b); };
  return part.empty() || std::search(text.begin(), text.end(), part.begin(),
                                     part.end(), same) != text.end();
}

std::vector<std::string> SimilarOperations(const analysis::Snapshot& snapshot,
                                           std::string_view name) {
  std::set<std::string_view> names;
  for (const OperationReport& report : snapshot.operations) {
    names.insert(report.operation);
  }
  std::vector<std::string> similar;
  const std::vector<std::string_view> all(names.begin(), names.end());
  if (const auto nearest = NearestWord(name, all)) similar.push_back(*nearest);
  for (const std::string_view one : all) {
    if (similar.size() == kMaxSimilar) break;
    const bool alike =
        ContainsIgnoringCase(one, name) || ContainsIgnoringCase(name, one);
    if (alike && !one.empty() &&
        std::ranges::find(similar, one) == similar.end()) {
      similar.emplace_back(one);
    }
  }
  return similar;
}

Result<HttpResponse> OneOperation(TracingCall& call) {
  constexpr std::string_view kAnalysis = "/analysis";
  constexpr std::string_view kTrend = "/trend";
  std::string_view rest = call.request.PathParam("rest");
  const auto name_before = [rest](std::string_view suffix) {
    return rest.size() > suffix.size() && rest.ends_with(suffix)
               ? std::string(rest.substr(0, rest.size() - suffix.size()))
               : "";
  };
  if (const std::string name = name_before(kAnalysis); !name.empty()) {
    return Analysis(call, name);
  }
  if (const std::string name = name_before(kTrend); !name.empty()) {
    return Trend(call, name);
  }
  return NotFoundProblem(
      "expected /api/tracing/operations/{name}/analysis or …/trend", {});
}

}  // namespace khtrace::api
