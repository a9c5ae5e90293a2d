// SPDX-License-Identifier: Apache-2.0
#include "api/tracing_errors.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/error_clusters.h"
#include "api/tracing_answer.h"
#include "api/tracing_routes.h"
#include "base/text.h"

// GET /api/tracing/errors/…

namespace khtrace::api {
namespace {

using analysis::ErrorPattern;
using net::HttpResponse;
using wire::JsonWriter;

void PutPlaces(JsonWriter& w, const ErrorPattern& pattern) {
  w.Key("places");
  w.BeginArray();
  for (const analysis::ErrorPlace& place : pattern.places) {
    w.BeginObject();
    PutText(w, "service", place.service);
    PutText(w, "operation", place.operation);
    PutCount(w, "count", place.count);
    PutCount(w, "origins", place.origins);
    w.EndObject();
  }
  w.EndArray();
}

void PutLatencyEffect(JsonWriter& w, const ErrorPattern& pattern) {
  if (!pattern.has_latency_effect) return PutNull(w, "latency_effect");
  w.Key("latency_effect");
  w.BeginObject();
  PutMillis(w, "difference_ms", pattern.latency_effect);
  PutMillis(w, "low_ms", pattern.latency_effect_interval.low);
  PutMillis(w, "high_ms", pattern.latency_effect_interval.high);
  const bool slower = pattern.latency_effect_interval.low > 0;
  const bool faster = pattern.latency_effect_interval.high < 0;
  PutText(w, "direction", slower ? "slower" : faster ? "faster" : "unclear");
  w.EndObject();
}

void PutPattern(JsonWriter& w, const ErrorPattern& pattern) {
  PutText(w, "fingerprint", pattern.fingerprint);
  PutText(w, "type", pattern.type);
  PutText(w, "message", pattern.message);
  PutOptional(w, "frame", pattern.frame);
  PutCount(w, "count", pattern.count);
  PutCount(w, "failed_spans", pattern.failed_spans);
  PutFigure(w, "errors_per_min", pattern.per_min);
  PutFigure(w, "share", pattern.share);
  PutTime(w, "first_seen", pattern.first_seen);
  PutTime(w, "last_seen", pattern.last_seen);
  PutFlag(w, "new", pattern.is_new);
  PutFlag(w, "regressed", pattern.regressed);
  PutText(w, "example_trace_id", pattern.example.ToHex());
  PutCount(w, "active_buckets", pattern.active_buckets);
  PutFigure(w, "peak_share", pattern.peak_share);
  PutLatencyEffect(w, pattern);
  PutPlaces(w, pattern);
}

void PutCounts(JsonWriter& w, const ErrorPattern& pattern) {
  w.Key("series");
  w.BeginArray();
  for (const uint64_t count : pattern.series) w.Uint(count);
  w.EndArray();
}

void PutTimePattern(JsonWriter& w, const analysis::TimePattern& time) {
  w.Key("time");
  w.BeginObject();
  PutText(w, "shape", NameOf(time.shape));
  PutText(w, "evidence", time.evidence);
  PutCount(w, "traces", time.events);
  PutFigure(w, "dispersion", time.dispersion);
  PutFigure(w, "p_value", time.p_value);
  PutCount(w, "peaks", time.peaks);
  if (time.period_nanos == 0) {
    PutNull(w, "period_ms");
  } else {
    PutMillis(w, "period_ms", static_cast<double>(time.period_nanos));
  }
  w.Key("densest");
  w.BeginObject();
  PutTime(w, "start", time.densest.start);
  PutTime(w, "end", time.densest.end);
  PutFigure(w, "share", time.densest_share);
  PutFigure(w, "time_share", time.densest_time_share);
  w.EndObject();
  w.EndObject();
}

void PutClusters(JsonWriter& w, const analysis::ErrorClusters& clusters) {
  w.Key("clusters");
  w.BeginObject();
  PutText(w, "query", clusters.query);
  PutTime(w, "start", clusters.looked_at.start);
  PutTime(w, "end", clusters.looked_at.end);
  PutFlag(w, "complete", clusters.complete);
  PutCount(w, "error_spans", clusters.errors);
  PutCount(w, "other_spans", clusters.others);
  w.Key("values");
  w.BeginArray();
  for (const analysis::ClusterValue& value : clusters.values) {
    w.BeginObject();
    PutText(w, "dimension", value.dimension);
    PutOptional(w, "service", value.service);
    PutText(w, "value", value.value);
    PutCount(w, "errors", value.errors);
    PutCount(w, "others", value.others);
    PutFigure(w, "error_share", value.error_share);
    PutFigure(w, "other_share", value.other_share);
    PutFigure(w, "effect", value.effect);
    PutFigure(w, "q_value", value.q_value);
    PutFlag(w, "stands_out", value.stands_out);
    w.EndObject();
  }
  w.EndArray();
  PutTimePattern(w, clusters.time);
  w.EndObject();
}

// Where there may be errors: data that begin within the window would look like
// a burst.
Result<analysis::Window> TimeOfData(TracingCall& call,
                                    analysis::Window window) {
  ASSIGN_OR_RETURN(const storage::StoreStats stats,
                   call.site.api.reader.Stats(call.context));
  if (stats.oldest && *stats.oldest < window.end) {
    window.start = std::max(window.start, *stats.oldest);
  }
  if (call.params.now() > window.start) {
    window.end = std::min(window.end, call.params.now());
  }
  return window;
}

bool OfService(const ErrorPattern& pattern, std::string_view service) {
  return std::ranges::any_of(pattern.places,
                             [service](const analysis::ErrorPlace& place) {
                               return place.service == service;
                             });
}

Result<HttpResponse> Patterns(TracingCall& call) {
  TracingParams& params = call.params;
  const analysis::Window window = params.Window();
  const std::string service = params.Text("service");
  const bool only_new = params.Flag("new");
  const size_t offset = params.Offset();
  const size_t limit = params.Count("limit", 50, 1, 1000);
  RETURN_IF_ERROR(CheckParams(call));
  ASSIGN_OR_RETURN(const auto known,
                   call.site.analyzer.Errors(call.context, window));
  const size_t all = known->size();
  std::vector<const ErrorPattern*> patterns;
  for (const ErrorPattern& pattern : *known) {
    if (only_new && !pattern.is_new) continue;
    if (!service.empty() && !OfService(pattern, service)) continue;
    patterns.push_back(&pattern);
  }
  const size_t begin = std::min(offset, patterns.size());
  const size_t end = std::min(begin + limit, patterns.size());
  return TracingAnswer(call.request, params.now(), [&](JsonWriter& w) {
    PutWindow(w, WholeBuckets(window));
    PutCount(w, "count", end - begin);
    PutCount(w, "total", patterns.size());
    PutCursor(w, params.NextOffset(window, end, patterns.size()));
    if (patterns.empty()) {
      PutText(w, "hint",
              all == 0 ? "no error in the window: no span with status error "
                         "or an exception began in it"
                       : "no pattern fits; there are more without service and "
                         "new");
    }
    w.Key("patterns");
    w.BeginArray();
    for (size_t i = begin; i < end; ++i) {
      w.BeginObject();
      PutPattern(w, *patterns[i]);
      PutCounts(w, *patterns[i]);
      w.EndObject();
    }
    w.EndArray();
  });
}

Result<HttpResponse> OnePattern(TracingCall& call) {
  const analysis::Window window = call.params.Window();
  RETURN_IF_ERROR(CheckParams(call));
  const std::string_view fingerprint = call.request.PathParam("fingerprint");
  ASSIGN_OR_RETURN(const auto patterns,
                   call.site.analyzer.Errors(call.context, window));
  const auto pattern =
      std::ranges::find(*patterns, fingerprint, &ErrorPattern::fingerprint);
  if (pattern == patterns->end()) {
    return NotFoundProblem(
        fmt::format("no error with fingerprint '{}' between {} and {}; "
                    "/api/tracing/errors/patterns lists those of the window",
                    SanitizeUtf8(fingerprint.substr(0, 100)),
                    FormatRfc3339(window.start), FormatRfc3339(window.end)),
        {});
  }
  analysis::ErrorClusterRequest clusters_of;
  clusters_of.pattern = &*pattern;
  clusters_of.helpers = &call.site.api.cpu;
  ASSIGN_OR_RETURN(clusters_of.window, TimeOfData(call, WholeBuckets(window)));
  ASSIGN_OR_RETURN(
      const analysis::ErrorClusters clusters,
      analysis::ClusterErrors(call.site.api.reader, call.context, clusters_of));
  return TracingAnswer(call.request, call.params.now(), [&](JsonWriter& w) {
    PutWindow(w, WholeBuckets(window));
    PutPattern(w, *pattern);
    PutCounts(w, *pattern);
    PutClusters(w, clusters);
  });
}

constexpr std::string_view kListParameters[] = {
    "window", "start", "end", "service", "new", "limit", "cursor"};
constexpr std::string_view kOneParameters[] = {"window", "start", "end"};
constexpr TracingRoute kRoutes[] = {
    {"GET", "/api/tracing/errors/patterns", kListParameters, Patterns},
    {"GET", "/api/tracing/errors/patterns/{fingerprint}", kOneParameters,
     OnePattern}};

}  // namespace

void PutPatterns(JsonWriter& w, std::span<const ErrorPattern> patterns) {
  w.Key("error_patterns");
  w.BeginArray();
  for (const ErrorPattern& pattern : patterns) {
    w.BeginObject();
    PutPattern(w, pattern);
    w.EndObject();
  }
  w.EndArray();
}

std::span<const TracingRoute> ErrorRoutes() { return kRoutes; }

}  // namespace khtrace::api
