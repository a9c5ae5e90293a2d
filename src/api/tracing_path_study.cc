// SPDX-License-Identifier: Apache-2.0
#include "api/tracing_path_study.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "api/params.h"
#include "api/tracing_answer.h"
#include "base/text.h"

namespace khtrace::api {
namespace {

using analysis::PathStudyRequest;
using analysis::Window;
using wire::JsonWriter;

constexpr size_t kMaxTraces = 10'000;
constexpr size_t kMaxCuts = 9;
constexpr std::array<std::string_view, 9> kAsking = {
    "q",          "bands",           "what_if_percent",
    "baseline",   "baseline_start",  "baseline_end",
    "max_traces", "compare_version", "version_service"};
constexpr std::array<std::pair<std::string_view, bool>, 2> kBaselines = {
    {{"", false}, {"previous", true}}};

std::vector<std::string_view> SplitAtCommas(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t comma = std::min(text.find(','), text.size());
    parts.push_back(text.substr(0, comma));
    if (comma == text.size()) return parts;
    text.remove_prefix(comma + 1);
  }
}

void ReadCuts(TracingParams& params, std::vector<uint32_t>* cuts) {
  const std::string text = params.Text("bands");
  if (text.empty()) return;
  std::vector<uint32_t> read;
  bool good = true;
  for (const std::string_view part : SplitAtCommas(text)) {
    const auto cut = ParseInteger(part, 1, 99);
    good = good && cut && (read.empty() || *cut > read.back());
    if (!good) break;
    read.push_back(static_cast<uint32_t>(*cut));
  }
  if (good && read.size() <= kMaxCuts) {
    *cuts = std::move(read);
    return;
  }
  params.Fail("bands",
              fmt::format("bands: '{}' are not 1 to {} ascending percentiles "
                          "from 1 to 99, such as 50,75,95",
                          SanitizeUtf8(text), kMaxCuts));
}

void ReadVersions(TracingParams& params, PathStudyRequest* request) {
  request->version_service = params.Text("version_service");
  const std::string text = params.Text("compare_version");
  if (text.empty()) {
    if (!request->version_service.empty()) {
      params.Fail("version_service",
                  "version_service: says nothing without compare_version");
    }
    return;
  }
  const std::vector<std::string_view> parts = SplitAtCommas(text);
  if (parts.size() != 2 || parts[0].empty() || parts[1].empty() ||
      parts[0] == parts[1]) {
    params.Fail("compare_version",
                fmt::format("compare_version: '{}' are not two values of "
                            "service.version, such as 1.4,1.5",
                            SanitizeUtf8(text)));
    return;
  }
  request->versions.assign(parts.begin(), parts.end());
}

void ReadBaseline(TracingParams& params, const Window& window,
                  PathStudyRequest* request) {
  const bool previous = params.Choice<bool>("baseline", kBaselines);
  const auto start = params.Time("baseline_start");
  const auto end = params.Time("baseline_end");
  const uint64_t length = window.end.ns - window.start.ns;
  if (previous) {
    const uint64_t begin = window.start.ns - std::min(window.start.ns, length);
    request->baseline = Window{{begin}, window.start};
  }
  if (!start && !end) return;
  if (previous) {
    params.Fail("baseline",
                "baseline: baseline_start and baseline_end say it already");
  } else if (!start) {
    params.Fail("baseline_end", "baseline_end: baseline_start is missing");
  } else {
    // As long as the window, without an end.
    const uint64_t until = start->ns + std::min(length, UINT64_MAX - start->ns);
    request->baseline = Window{*start, end.value_or(UnixNanos{until})};
    if (request->baseline->end <= *start) {
      params.Fail("baseline_end",
                  fmt::format("baseline_end ({}) is not after "
                              "baseline_start ({})",
                              FormatRfc3339(request->baseline->end),
                              FormatRfc3339(*start)));
    }
  }
}

// Of an empty set everything but its name is unknown.
void PutSetNanos(JsonWriter& w, const analysis::PathSet& set,
                 std::string_view key, double nanos) {
  if (set.traces == 0) return PutNull(w, key);
  PutMillis(w, key, nanos);
}

void PutSet(JsonWriter& w, const analysis::PathSet& set) {
  PutText(w, "name", set.name);
  PutCount(w, "traces", set.traces);
  PutSetNanos(w, set, "mean_ms", set.mean_nanos);
  PutSetNanos(w, set, "min_ms", static_cast<double>(set.least_nanos));
  PutSetNanos(w, set, "p50_ms", static_cast<double>(set.p50_nanos));
  PutSetNanos(w, set, "p95_ms", static_cast<double>(set.p95_nanos));
  PutSetNanos(w, set, "p99_ms", static_cast<double>(set.p99_nanos));
  PutSetNanos(w, set, "max_ms", static_cast<double>(set.greatest_nanos));
  w.Key("shares");
  w.BeginArray();
  for (const analysis::BandShare& share : set.shares) {
    w.BeginObject();
    PutText(w, "service", share.service);
    PutText(w, "operation", share.operation);
    PutCount(w, "traces", share.traces);
    PutMillis(w, "mean_ms", share.mean_nanos);
    PutFigure(w, "share", share.share);
    w.EndObject();
  }
  w.EndArray();
}

void PutSets(JsonWriter& w, std::string_view key,
             const std::vector<analysis::PathSet>& sets) {
  w.Key(key);
  w.BeginArray();
  for (const analysis::PathSet& set : sets) {
    w.BeginObject();
    PutSet(w, set);
    w.EndObject();
  }
  w.EndArray();
}

void PutInterval(JsonWriter& w, const analysis::PathDifference& difference) {
  PutMillis(w, "difference_ms", difference.difference);
  PutMillis(w, "low_ms", difference.interval.low);
  PutMillis(w, "high_ms", difference.interval.high);
}

// Members: of two sets, "a" and "b" before their names.
void PutComparison(JsonWriter& w, const analysis::PathComparison& comparison,
                   const analysis::PathSet& a, const analysis::PathSet& b) {
  PutText(w, "a", a.name);
  PutText(w, "b", b.name);
  if (a.traces > 0 && b.traces > 0) {
    PutInterval(w, comparison.total);
  } else {
    for (const auto* key : {"difference_ms", "low_ms", "high_ms"}) {
      PutNull(w, key);
    }
  }
  PutText(w, "summary", comparison.summary);
  w.Key("operations");
  w.BeginArray();
  for (const analysis::PathDifference& difference : comparison.operations) {
    w.BeginObject();
    PutText(w, "service", difference.service);
    PutText(w, "operation", difference.operation);
    PutMillis(w, "a_mean_ms", difference.a_nanos);
    PutMillis(w, "b_mean_ms", difference.b_nanos);
    PutFigure(w, "a_share", difference.a_share);
    PutFigure(w, "b_share", difference.b_share);
    PutInterval(w, difference);
    w.EndObject();
  }
  w.EndArray();
}

void PutWhatIf(JsonWriter& w, const PathStudyRequest& request,
               const analysis::PathStudy& study) {
  w.Key("what_if");
  w.BeginObject();
  PutCount(w, "faster_percent", request.faster_percent);
  PutFlag(w, "estimate", true);
  PutText(w, "note",
          "Each trace of the sample run again with the operation's own time "
          "shortened; calls beside it take as long as before.");
  w.Key("operations");
  w.BeginArray();
  for (const analysis::PathWhatIf& what_if : study.what_if) {
    w.BeginObject();
    PutText(w, "service", what_if.service);
    PutText(w, "operation", what_if.operation);
    PutCount(w, "traces", what_if.traces);
    PutMillis(w, "mean_saving_ms", what_if.mean_saving);
    PutMillis(w, "p50_saving_ms", static_cast<double>(what_if.p50_saving));
    PutMillis(w, "p95_saving_ms", static_cast<double>(what_if.p95_saving));
    PutMillis(w, "p99_saving_ms", static_cast<double>(what_if.p99_saving));
    PutText(
        w, "text",
        fmt::format(
            "estimate: {} {} {} % faster: p95 {:.3g} ms instead "
            "of {:.3g} ms",
            what_if.service, what_if.operation, request.faster_percent,
            static_cast<double>(study.all.p95_nanos - what_if.p95_saving) / 1e6,
            static_cast<double>(study.all.p95_nanos) / 1e6));
    w.EndObject();
  }
  w.EndArray();
  w.EndObject();
}

std::string NoteOf(const PathStudyRequest& request, bool complete) {
  if (complete) return "All traces that fit.";
  return fmt::format(
      "The newest traces that fit, {} at most; older ones are left out.",
      request.max_traces);
}

void PutSides(JsonWriter& w, const PathStudyRequest& request,
              const analysis::PathStudy& study) {
  if (!study.comparison) return PutNull(w, "comparison");
  w.Key("comparison");
  w.BeginObject();
  PutText(w, "by", request.baseline ? "window" : "version");
  if (request.baseline) {
    w.Key("baseline");
    w.BeginObject();
    PutTime(w, "start", request.baseline->start);
    PutTime(w, "end", request.baseline->end);
    w.EndObject();
  } else {
    PutCount(w, "mixed_traces", study.mixed_traces);
  }
  PutText(w, "note", NoteOf(request, study.sides_complete));
  PutSets(w, "sides", study.sides);
  PutComparison(w, *study.comparison, study.sides[0], study.sides[1]);
  w.EndObject();
}

}  // namespace

bool AsksForStudy(const TracingParams& params) {
  return std::ranges::any_of(kAsking, [&params](std::string_view name) {
    return !params.Text(name).empty();
  });
}

PathStudyRequest ReadStudy(TracingCall& call, const Window& window) {
  TracingParams& params = call.params;
  PathStudyRequest request;
  request.window = window;
  request.query = params.Text("q");
  request.root_service = params.Text("service");
  request.root_operation = params.Text("operation");
  ReadCuts(params, &request.cuts);
  request.faster_percent = static_cast<uint32_t>(
      params.Count("what_if_percent", request.faster_percent, 1, 99));
  ReadBaseline(params, window, &request);
  ReadVersions(params, &request);
  if (request.baseline && !request.versions.empty()) {
    params.Fail("compare_version",
                "compare_version: a baseline is given already; one of them");
  }
  request.max_traces = params.Count("max_traces", kMaxTraces, 1, kMaxTraces);
  request.max_operations = params.Count("limit", 20, 1, 200);
  request.helpers = &call.site.api.cpu;
  request.judge = call.site.api.judge;
  return request;
}

void PutStudy(JsonWriter& w, const PathStudyRequest& request,
              const analysis::PathStudy& study) {
  w.Key("sample");
  w.BeginObject();
  PutText(w, "query", study.query);
  PutFlag(w, "complete", study.complete);
  PutText(w, "note", NoteOf(request, study.complete));
  if (study.oldest) {
    PutTime(w, "oldest", *study.oldest);
  } else {
    PutNull(w, "oldest");
  }
  PutCount(w, "inspected_spans", study.inspected_spans);
  PutSet(w, study.all);
  PutSets(w, "bands", study.bands);
  w.Key("slow_against_fast");
  w.BeginObject();
  PutComparison(w, study.slow_against_fast, study.bands.front(),
                study.bands.back());
  w.EndObject();
  PutWhatIf(w, request, study);
  PutSides(w, request, study);
  w.EndObject();
}

}  // namespace khtrace::api
