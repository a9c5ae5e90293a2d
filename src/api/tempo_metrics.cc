// SPDX-License-Identifier: Apache-2.0
#include "api/tempo_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "api/params.h"
#include "api/tempo_common.h"
#include "base/text.h"

namespace khtrace::api {
namespace {

using std::chrono::hours;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr double kNanosPerSecond = 1e9;
constexpr hours kMaxRange{24};
constexpr hours kDefaultRange{1};
constexpr int64_t kMaxExemplars = 100;
constexpr int64_t kMaxSeries = 1000;
// Unix seconds have so many digits until the year 2286.
constexpr size_t kSecondsDigits = 10;

Error Bad(std::string message) {
  return {Code::kInvalidArgument, std::move(message)};
}

// All of `text` as a decimal number.
std::optional<double> ParseNumber(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

Result<UnixNanos> TimeParam(const ParamReader& params, std::string_view name,
                            UnixNanos fallback) {
  const auto text = params.Text({name});
  if (!text) return fallback;
  auto time = ParseTempoTime(*text);
  if (!time) return Bad(TempoWording(name, time.error().message));
  return time;
}

// Grafana's ranges often end a little later than now, where nothing is yet.
Status ReadRange(ParamReader& params, UnixNanos now, TempoMetrics* metrics) {
  const auto since = params.Duration({"since"});
  RETURN_IF_ERROR(params.status());
  ASSIGN_OR_RETURN(const UnixNanos end, TimeParam(params, "end", now));
  metrics->end = std::min(end, now);
  ASSIGN_OR_RETURN(
      metrics->start,
      TimeParam(params, "start",
                metrics->end.Minus(since.value_or(kDefaultRange))));
  if (end <= metrics->start) return Bad("end must be greater than start");
  // A range that lies in the future is empty, and no mistake.
  if (metrics->end <= metrics->start) metrics->end = end;
  if (metrics->end.ns - metrics->start.ns >
      static_cast<uint64_t>(nanoseconds(kMaxRange).count())) {
    return Bad(
        "metrics query time range exceeds the maximum allowed duration of "
        "24h0m0s");
  }
  return {};
}

Status ReadQuery(const ParamReader& params, TempoMetrics* metrics) {
  const auto text = params.Text({"q", "query"});
  if (!text) return Bad("parse error : syntax error: unexpected $end");
  ASSIGN_OR_RETURN(metrics->query, ParseTempoQuery(*text));
  if (!metrics->query.is_metrics()) return Bad("not a metrics query");
  return {};
}

Status ReadCounts(ParamReader& params, TempoMetrics* metrics) {
  constexpr int64_t kMax = std::numeric_limits<uint32_t>::max();
  const int64_t exemplars =
      params.Integer({"exemplars"}, kMaxExemplars, 0, kMax);
  const int64_t series = params.Integer({"maxSeries"}, 0, 0, kMax);
  metrics->instant = params.Bool({"instant"});
  RETURN_IF_ERROR(params.status());
  metrics->max_exemplars =
      static_cast<size_t>(std::min(exemplars, kMaxExemplars));
  if (series != 0) {
    metrics->max_series = static_cast<size_t>(std::min(series, kMaxSeries));
  }
  return {};
}

Result<query::MetricsResult> Run(const ApiContext& api,
                                 const RequestContext& context,
                                 const TempoMetrics& metrics,
                                 const query::MetricsProgress* progress) {
  query::MetricsRequest wanted;
  wanted.query = &metrics.query;
  wanted.start = metrics.start;
  wanted.end = metrics.end;
  wanted.step_nanos = metrics.instant ? 0 : metrics.step_nanos;
  wanted.instant = metrics.instant;
  wanted.max_exemplars = metrics.max_exemplars;
  wanted.max_series = metrics.max_series;
  wanted.helpers = &api.cpu;
  wanted.judge = api.judge;
  wanted.cache = &api.metrics_cache;
  wanted.progress = progress;
  return query::RunMetrics(api.reader, context, wanted);
}

// Series go ahead of the response as far as they are counted.
Result<net::HttpResponse> StreamSeries(const ApiContext& api,
                                       const RequestContext& context,
                                       const net::HttpRequest& request,
                                       const TempoMetrics& metrics,
                                       bool instant) {
  SeriesStream stream(instant);
  query::MetricsProgress progress;
  progress.tell = [&](const query::MetricsResult& so_far) {
    // What does not fit comes with the next one.
    size_t next = so_far.stats.units_done == 0 ? so_far.series.size() : 0;
    if (!request.send_ahead(stream.Message(so_far, &next))) stream.TakeBack();
  };
  ASSIGN_OR_RETURN(const query::MetricsResult result,
                   Run(api, context, metrics, &progress));
  net::HttpResponse response = ProtobufResponse("");
  for (size_t next = 0;;) {
    std::string message = stream.Message(result, &next);
    if (next == result.series.size()) {
      response.body = std::move(message);
      return response;
    }
    response.ahead.push_back(std::move(message));
  }
}

}  // namespace

Result<UnixNanos> ParseTempoTime(std::string_view text) {
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") ==
                                           std::string_view::npos;
  if (digits) {
    return ParseUnixTime(text, text.size() <= kSecondsDigits
                                   ? nanoseconds(seconds(1))
                                   : nanoseconds(1));
  }
  const auto number = ParseNumber(text);
  // Whole seconds and the fraction apart: together they are more than a double
  // holds.
  if (number && *number >= 0 && *number < 1e11) {
    double whole = 0;
    const double fraction = std::modf(*number, &whole);
    return UnixNanos{static_cast<uint64_t>(whole) * 1'000'000'000}.Plus(
        nanoseconds(std::llround(fraction * 1e6) * 1000));
  }
  if (auto time = ParseRfc3339(text)) return *time;
  return Bad(fmt::format(
      "'{}' is no time: expected Unix seconds, nanoseconds or RFC 3339",
      SanitizeUtf8(text)));
}

Result<nanoseconds> ParseTempoStep(std::string_view text) {
  nanoseconds step{0};
  if (const auto number = ParseNumber(text)) {
    // 2^53 ns are 104 days.
    const double ns = *number * kNanosPerSecond;
    if (ns > 9e15) {
      return Bad(fmt::format(
          "cannot parse \"{}\" to a valid duration. It overflows int64", text));
    }
    step = nanoseconds(std::llround(std::max(ns, -1.0)));
  } else if (const auto duration = ParseGoDuration(text)) {
    step = *duration;
  } else {
    return Bad(fmt::format("cannot parse \"{}\" to a valid duration",
                           SanitizeUtf8(text)));
  }
  if (step.count() <= 0) {
    return Bad(fmt::format("cannot parse \"{}\": step must be positive", text));
  }
  return step;
}

Result<TempoMetrics> ReadTempoMetrics(const net::QueryParams& params,
                                      UnixNanos now) {
  ParamReader reader(params, TempoWording);
  TempoMetrics metrics;
  RETURN_IF_ERROR(ReadQuery(reader, &metrics));
  RETURN_IF_ERROR(ReadRange(reader, now, &metrics));
  if (const auto text = reader.Text({"step"})) {
    ASSIGN_OR_RETURN(const nanoseconds step, ParseTempoStep(*text));
    metrics.step_nanos = static_cast<uint64_t>(step.count());
  }
  RETURN_IF_ERROR(ReadCounts(reader, &metrics));
  return metrics;
}

Result<net::HttpResponse> AnswerQueryRange(const ApiContext& api,
                                           const RequestContext& context,
                                           const net::HttpRequest& request) {
  ASSIGN_OR_RETURN(const TempoMetrics metrics,
                   ReadTempoMetrics(request.query, api.clock.Now()));
  if (request.send_ahead) {
    return StreamSeries(api, context, request, metrics, /*instant=*/false);
  }
  ASSIGN_OR_RETURN(const query::MetricsResult result,
                   Run(api, context, metrics, nullptr));
  net::HttpResponse response =
      Accepts(request, kProtobufType)
          ? ProtobufResponse(QueryRangeProtobuf(result))
          : net::JsonResponse(200, QueryRangeJson(result));
  WarnOfLosses(result.stats, &response);
  return response;
}

Result<net::HttpResponse> AnswerQueryInstant(const ApiContext& api,
                                             const RequestContext& context,
                                             const net::HttpRequest& request) {
  ASSIGN_OR_RETURN(TempoMetrics metrics,
                   ReadTempoMetrics(request.query, api.clock.Now()));
  metrics.instant = true;
  metrics.max_exemplars = 0;
  if (request.send_ahead) {
    return StreamSeries(api, context, request, metrics, /*instant=*/true);
  }
  ASSIGN_OR_RETURN(const query::MetricsResult result,
                   Run(api, context, metrics, nullptr));
  net::HttpResponse response =
      Accepts(request, kProtobufType)
          ? ProtobufResponse(QueryInstantProtobuf(result))
          : net::JsonResponse(200, QueryInstantJson(result));
  // The message has no field for it that Grafana's decoder knows.
  if (result.partial) AddWarning(result.message, &response);
  WarnOfLosses(result.stats, &response);
  return response;
}

}  // namespace khtrace::api
